// What happens, as the server tells it. A page that nobody looks at does not listen: a browser has six connections to a
// host, and forgotten tabs would take them all.

/** Listens to `path`; `handlers` by event, `back` when a connection is there again after one was lost. */
export function listen(path, handlers, { back, state } = {}) {
  let source = null;
  let lost = false;

  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(path);
    source.onopen = () => {
      state?.(true);
      if (lost) back?.();
      lost = false;
    };
    source.onerror = () => {
      state?.(false);
      lost = true;
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 5000); // the server refused; EventSource itself tries again after everything else
      }
    };
    for (const [event, handle] of Object.entries(handlers)) {
      source.addEventListener(event, (message) => handle(JSON.parse(message.data)));
    }
  };
  const close = () => {
    source?.close();
    source = null;
    lost = true;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}
