"""Every number the analysis decides by, with its reason and what it costs. Nothing else in the package has one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of the method; docs/how-detection-works.md shows what they give together."""

    # --- floors -------------------------------------------------------------------------------------------------
    floor_quantile: float = 0.10  # of a cycle's samples: 0.14 MB residual on a garbage-collection sawtooth where the
    # trough's median left 1.26 MB; the plain minimum rests on one sample and can be a stray
    samples_share: float = 0.5  # of a cycle's expected samples: with fewer, its quantile is of another part of it
    trough_share: float = 0.25  # of the trough's expected samples; without the trough there is no like phase
    sparse: float = 3.0  # samples per cycle up to which a series counts as read in the trough, every reading a floor
    halves_up_to: int = 4  # cycles: with so few, two floors per cycle, each half with its own intercept
    most_cycles: int = 64  # that are judged one by one: a month of hours took minutes and a gigabyte
    least_cycles: int = 3  # two cycles give a line without a residual: no interval can be had

    # --- trimming the warm-up -----------------------------------------------------------------------------------
    drop_first_from: int = 4  # cycles in a segment, from which its first is dropped unasked (start-up is in it)
    step_level: float = 0.005  # of a one-off step, over all its places: a leak is rarely a step
    step_points: int = 5  # floors below which a step and a slope cannot be told apart
    step_slopes: float = 3.0  # the jump must exceed so many cycles' worth of slope, or it is the slope itself
    concave_level: float = 0.10  # one-sided: warm-ups are common, so look for them generously
    convex_level: float = 0.02  # one-sided: acceleration is rare and stops a "clean"
    material: float = 0.15  # curvature must bend the line by this share of slope or limit: without it noiseless series
    # lose their leaks to curvature nobody could care about
    first_level: float = 0.10  # of the first floor below what the others predict

    # --- standard error ------------------------------------------------------------------------------------------
    rhos: tuple[float, ...] = (0.3, 0.6, 0.85)  # lag-1 correlations of the autoregressive floors averaged over
    walks: tuple[float, ...] = (0.3, 1.0, 4.0, 20.0)  # variance of a random walk's step over that of its white noise
    transients: tuple[float, ...] = (0.7, 1.5, 3.0)  # time constants, in cycles, of what may be left of a warm-up
    transient_size: float = 10.0  # its expected size at the first floor, in standard deviations of a floor
    step_size: float = 20.0  # expected size of a one-off step, in standard deviations of a floor
    prior_step: float = 0.10
    prior_outlier: float = 0.05  # of one cycle that stands out and comes back
    outlier_points: int = 4  # floors above which a stray one can be told
    prior_white: float = 0.25  # weight of each kind of noise before any is seen
    prior_ar: float = 0.15
    prior_walk: float = 0.40
    prior_transient: float = 0.10
    prior_noise: int = 1  # degrees of freedom that the expected noise counts for
    prior_scale: float = 0.1  # expected noise of a floor, in limits per cycle

    most_samples: int = 60  # degrees of freedom from which a known sampling error counts as exact

    # --- decisions -----------------------------------------------------------------------------------------------
    leak_level: float = 0.90  # probability that growth is above the limit, from which it is a leak: at exactly the
    # limit one run in ten may be called one, which wrongs nobody; finds a leak at twice the limit two cycles sooner
    half_level: float = 0.975  # probability that it is above half the limit: what must not be accused is guarded more
    decide_level: float = 0.95  # probability that growth is below the limit, from which it is clean
    report_level: float = 0.975
    power_level: float = 0.90  # of finding a growth of `detectable_per_hour`
    one_step_share: float = 0.5  # of the limit that growth without its largest step must exceed: one step is no leak
    even_steps: float = 0.45  # of each other that two increments must be, where there are no more of them
    clean_cycles: int = 4  # that must remain for "clean" where a warm-up was cut off: a pause looks like its end
    to_date_share: float = 0.7  # of the limit: with more growth than that before the warm-up was cut off, and without
    # its largest step, nothing is clean yet; costs a quarter of the caches that were full by half-time
    many_chunks: float = 40.0  # from so many on, chance does no more to chunks than the line's own interval says
    given_back: float = 0.5  # of what had been gained, from which a fall may be a sweep that comes round again
    climbed: float = 1.5  # times the largest increment that such a fall must be: else one piece came and went
    regained: float = 0.5  # of such a fall, by which the end must exceed all before it to be called a leak
    near_limit: float = 0.85  # of |growth - limit| that more cycles must resolve
    hopeless_cycles: int = 48  # more than this is "too near the limit"

    count_step: float = 3.0  # quanta from which a one-off jump of a count is not just one of several lost handles
    scatter_level: float = 0.05  # chance below which counts scatter more than events do, or have slowed down
    even_level: float = 0.05  # chance up to which a Poisson process would lose handles as evenly as was seen

    # --- peaks, ceilings, cleanup --------------------------------------------------------------------------------
    peak_cycles: int = 2  # usable cycles whose floor and amplitude a relative peak is measured from, after the first
    ceiling_share: float = 0.01  # below its ceiling at which a series counts as at it: allocation fails before 100 %
    cleanup_share: float = 0.10  # of the amplitude under load that may remain of memory and still be "back"
    cleanup_quantum: float = 0.5  # of a quantum that may remain on average: one lost handle in two cycles fails

    # --- many sites ------------------------------------------------------------------------------------------------
    family_level: float = 0.05  # chance of one or more noise sites among all that are called significant (Holm)
    site_material: float = 0.05  # of the total growth: what curvature of a site must reach to count
    rank_errors: float = 3.0  # standard errors taken off a site's growth before ranking
    cohort_bounded: float = 0.25  # share of old cohorts alive up to which a site is bounded
    cohort_leak: float = 0.75  # and from which it keeps what it allocates

    # --- evidence ----------------------------------------------------------------------------------------------------
    weak_missing: float = 0.05  # of the expected samples
    no_missing: float = 0.25
    weak_landed: float = 0.99  # of the load that was due
    no_landed: float = 0.95
    weak_outage: float = 0.01  # of the time
    no_outage: float = 0.10
    no_limited: float = 0.50  # of the windows the generator limited: late requests land, drops count on their own

    # --- stopping early ----------------------------------------------------------------------------------------------
    stop_from: int = 6  # cycles from which three equal verdicts in a row end a soak
    stop_repeats: int = 3
    stop_at: int = 8  # cycles from which one verdict does: "the first from 4" would be wrong in 6.8 %
    warm_up_cycles: int = 1  # dropped when a plan is weighed before the run
    plan_margin: float = 0.85  # of the limit that the interval's half width must stay below

    # --- memory statement -------------------------------------------------------------------------------------------
    python_share: float = 0.5  # of the growth of rss that traced bytes must explain to be called its cause
    held_share: float = 0.5  # of the growth outside the heap that allocators must hold free, likewise


THRESHOLDS = Thresholds()
