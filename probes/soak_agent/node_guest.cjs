// The guest in a Node target: collects its garbage once per cycle, when soak touches the file "collect" in the agents'
// folder. Without that, what V8 has not got round to collecting hides a leak of megabytes per cycle. V8 gives the memory
// of its young objects back in a collection that finds that little was allocated since the one before; where nothing was,
// for five seconds, it does not know, and keeps it: in one trough so and in the next so, by tens of megabytes. So there is
// a second collection shortly after the first. It opens one inotify descriptor, never keeps the process alive, and
// whatever goes wrong in it leaves the target as if it were not there.
'use strict'

const AGAIN_MS = 500

try {
  const folder = process.env.SOAK_AGENT_DIR
  if (folder && require('worker_threads').isMainThread) {
    const v8 = require('v8')
    v8.setFlagsFromString('--expose-gc')
    const collect = require('vm').runInNewContext('gc')
    v8.setFlagsFromString('--no-expose-gc')
    let last = 0
    const watcher = require('fs').watch(folder, { persistent: false }, (event, name) => {
      const now = Date.now()
      if (name !== 'collect' || now - last < 1000) return // one touch is several events
      last = now
      collect()
      setTimeout(collect, AGAIN_MS).unref()
    })
    watcher.on('error', () => watcher.close())
  }
} catch {
  // No garbage collection in the trough, then.
}
