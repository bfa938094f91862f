// The guest in a Node target: collects its garbage once per cycle, when soak touches the file "collect" in the agents'
// folder. Without that, what V8 has not got round to collecting hides a leak of megabytes per cycle. It opens one inotify
// descriptor, never keeps the process alive, and whatever goes wrong in it leaves the target as if it were not there.
//
// What V8 does with the memory it has collected would differ from one trough to the next, by tens of megabytes:
// - It gives that of its young objects back in a collection which finds that little was allocated since the one before.
//   Where nothing was for five seconds it does not know. So there is a second collection shortly after the first.
// - Eight seconds after a collection it begins to shrink the heap of a process that allocates little, if it has grown by
//   10 MB and a tenth since it did so last: in every other trough. So that is put off.
'use strict'

const AGAIN_MS = 500
const SHRINK_MS = 24 * 3600 * 1000
const KNOWS_SHRINK = 11 // from this version of V8 on, that of Node 20, it can be said when; others print an error

try {
  const folder = process.env.SOAK_AGENT_DIR
  if (folder && require('worker_threads').isMainThread) {
    const v8 = require('v8')
    v8.setFlagsFromString('--expose-gc')
    const collect = require('vm').runInNewContext('gc')
    v8.setFlagsFromString('--no-expose-gc')
    if (parseInt(process.versions.v8) >= KNOWS_SHRINK) {
      v8.setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${SHRINK_MS}`)
    }
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
