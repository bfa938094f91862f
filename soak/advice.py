"""All advice to the user in one file: what happened, and what to do next.

Each entry is filled in with `str.format` by the facts that its raiser hands over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """`what` happened, in one sentence, and the `next_step` that mends it."""

    what: str
    next_step: str = ""


ADVICE: dict[str, Advice] = {
    "attached_not_ready": Advice(
        "The target (process {pid}) did not become ready within {seconds} s: {why}.",
        "Check target.url and target.ready, or give it longer with target.startup_timeout.",
    ),
    "agent_not_met": Advice(
        'No agent has answered in {name}, and agent.enabled is "on".',
        "See that its command runs CPython 3.9 or newer without -E, -I or -S, or call soak_agent.start() in it; "
        'with agent.enabled = "auto" it is soaked from outside only.',
    ),
    "agent_not_let_in": Advice(
        'The agent could not be let into the target, and agent.enabled is "on": {why}.',
        'Mend that, or write agent.enabled = "auto": the target is then soaked from outside only.',
    ),
    "agent_missing": Advice(
        "The package {name} is not part of this installation.",
        "Install soak again; its wheel has soak_agent and soak_heap in it.",
    ),
    "config_invalid": Advice(
        "{count} problem(s) in the configuration:\n{listing}",
        "Mend the lines above and run the command again; nothing was started and nothing stored was touched.",
    ),
    "config_unreadable": Advice(
        "The configuration {path} cannot be read: {why}.",
        "Check the path and its permissions.",
    ),
    "folder_exists": Advice(
        "{path} exists already, and nothing is overwritten.",
        "Name a folder that does not exist yet.",
    ),
    "fault_not_ours": Advice(
        "A fault of kind {kind} cannot be done to a target that soak did not start.",
        "Give target.command, or use kill, stop or command.",
    ),
    "load_function": Advice(
        "The scenario function {reference} cannot be used: {why}.",
        'Write `function = "file.py:name"`, relative to soak.toml, with `async def name(client, context)` in it.',
    ),
    "load_header": Advice(
        "The request for {path} holds a line break in its path or headers.",
        "Take it out: a request must be what it says.",
    ),
    "load_shape": Advice(
        "The load has no shape that can be driven: {why}.",
        "Check low, high, users, cycle and quiet in [load].",
    ),
    "load_unsupported": Advice(
        "Not supported yet: {what}.",
        "Take it out of the configuration, or upgrade soak.",
    ),
    "load_url": Advice(
        "There is no target to send load to at {url!r}.",
        "Set target.url to an http:// or https:// address.",
    ),
    "format_not_yet": Advice(
        "Reports as {form} are not supported yet.",
        "Use one of {known}; nothing was started.",
    ),
    "sampler_missing": Advice(
        "agent.native needs the heap sampler, and its library {path} is not there.",
        "Install soak where a C compiler is, or leave agent.native out; `soak doctor` says what is missing.",
    ),
    "only_baseline": Advice(
        "Run {run} is itself the only baseline of {name}.",
        "Name a later run: `soak compare {run} B`; `soak runs` lists them.",
    ),
    "no_folder": Advice(
        "There is no folder {path} to write {file} into.",
        "Make it first; nothing was started.",
    ),
    "not_written": Advice(
        "{file} could not be written: {why}.",
        "Name another place, or mend its folder and its permissions.",
    ),
    "not_writable": Advice(
        "{file} cannot be written.",
        "Check its permissions and those of its folder; nothing was started.",
    ),
    "report_not_written": Advice(
        "The report could not be written into {file}: {why}.",
        "It is stored: `soak report {run} --format ... -o FILE` writes it again.",
    ),
    "file_exists": Advice(
        "{path} exists already, and nothing is overwritten.",
        "Name another file with `-o FILE`, or move this one away.",
    ),
    "nothing_found": Advice(
        "No service was recognised in {folder}.",
        "Say how it is started: `soak init --command 'python app.py' --url http://127.0.0.1:8000`.",
    ),
    "no_baseline": Advice(
        "No run of {name} is marked as its baseline.",
        "Mark one with `soak baseline RUN`, or name two runs: `soak compare A {run}`.",
    ),
    "other_target": Advice(
        "The runs are of different targets: {a} and {b}.",
        "Compare runs of one target; `soak runs` lists them with their names.",
    ),
    "no_config": Advice(
        "There is no configuration file {path}.",
        "Write one with `soak init`, or name one with `-c FILE`.",
    ),
    "export_exists": Advice(
        "{path} is there already, and nothing is overwritten.",
        "Export into a new folder.",
    ),
    "no_run": Advice(
        "There is no such run ({run}) in the store {url}.",
        "`soak runs` lists what is stored; `--store URL` or `-c FILE` names another store.",
    ),
    "no_store": Advice(
        "There is no store {path}: nothing was soaked with this configuration yet.",
        "Run `soak run` first, or name the right store with `--store URL`.",
    ),
    "port_taken": Advice(
        "Port {port} on {host} is taken before the target was started, by {holder}.",
        "Stop that process, or give the target another port in target.command and target.url: "
        "soak puts no load on a server that it did not start.",
    ),
    "preflight_failed": Advice(
        "{count} of {of} checks did not pass before the load:\n{listing}\n",
        "Mend what they name, or take the check out; no load was sent.",
    ),
    "records_lost": Advice(
        "{count} records of the end of the run could not be stored: {why}.",
        "See that the disk of the store has room and nobody locks it for long; what was stored before is kept.",
    ),
    "store_locked": Advice(
        "Another daemon works with the store {url}: {holder}.",
        "Stop that one, or give this one a store of its own with `--store URL`.",
    ),
    "reload_needs_restart": Advice(
        "{key} cannot change while the daemon runs.",
        "Restart the daemon to change it; until then it goes on with the old configuration.",
    ),
    "store_driver": Advice(
        "A Postgres store needs {module}, which is not installed.",
        "Install it with `pip install '.[postgres]'` in soak's clone.",
    ),
    "store_newer": Advice(
        "The store {url} was written by a newer soak (schema {found}; this soak knows up to {known}).",
        "Upgrade soak, or use another store with `--store URL`; nothing was changed.",
    ),
    "store_unavailable": Advice(
        "The store {url} cannot be used now: {why}.",
        "See that its disk has room, its server answers and no other program holds it for long; then try again.",
    ),
    "store_unusable": Advice(
        "The store {url} cannot be opened: {why}.",
        "Check the path, its permissions and that it is a soak database, or name another one with `--store URL`.",
    ),
    "store_url": Advice(
        "{url} is not the URL of a store.",
        "Use sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
    ),
    "interpreter_unusable": Advice(
        "soak runs parts of itself in processes of their own, and its interpreter {python} cannot be started: {why}.",
        "Install soak where this user may run it, or start soak as the user to whom that interpreter belongs.",
    ),
    "analysis_failed": Advice(
        "The analysis of the run broke: {why}.",
        "What was sampled is stored: `soak report` tries again. Please report this, it is a fault in soak.",
    ),
    "target_died": Advice(
        "The target ended in cycle {cycle}: {why}.",
        "Its last words are in {log}; what was sampled until then is kept and reported.",
    ),
    "target_killed": Advice(
        "The target was killed for its memory in cycle {cycle}: {why}.",
        "The report shows what grew until then; raise the memory limit only when that growth is what you expect.",
    ),
    "target_ambiguous": Advice(
        "{what} matches processes that have nothing to do with each other: {found}.",
        "Write a pattern that only one of them matches, or attach by pid, pid_file, port or unit.",
    ),
    "target_died_starting": Advice(
        "The target {command} ended before it was ready: {why}. The last lines of {log}:\n{tail}\n",
        "Start the command by hand to see what it lacks; it runs in target.cwd with target.env.",
    ),
    "target_gone": Advice(
        "The target (process {pid}) ended before it was ready.",
        "Start it again, then soak.",
    ),
    "target_silent": Advice(
        "Not one request of cycle {cycle} was answered by {host}:{port} (mostly: {why}).",
        "See in its log why it does not answer; what was sampled until then is kept and reported.",
    ),
    "target_not_found": Advice(
        "There is no target to attach to: {what}: {why}.",
        "Check that it runs and that [target] names it; `soak doctor` shows what can be seen from here.",
    ),
    "target_not_ready": Advice(
        "The target {command} was not ready after {seconds} s: {why}. The last lines of {log}:\n{tail}\n",
        "Check that target.url and target.ready are where it listens, or give it longer with target.startup_timeout.",
    ),
    "target_not_started": Advice(
        "The target {command} could not be started: {why}.",
        "Check target.command and target.cwd; the command is run without a shell.",
    ),
    "web_port": Advice(
        "The web part cannot listen on {listen}: {why}.",
        "Give it another address with web.listen; soaking goes on without it.",
    ),
    "web_token": Advice(
        "The daemon at {listen} does not take the token of this configuration.",
        "Give web.token what the daemon was started with; it reads a new one with `systemctl reload` or SIGHUP.",
    ),
}


def advice_for(code: str) -> Advice:
    """The entry for `code`; KeyError when nobody wrote one, which a test of all raisers would find."""
    return ADVICE[code]
