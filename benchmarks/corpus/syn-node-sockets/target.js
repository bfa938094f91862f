// Gateway: opens a socket to a backend per request and never closes it. FIXED=1 closes it.
const http = require('http')
const net = require('net')

const FIXED = process.env.FIXED === '1'
const kept = []
const backend = net.createServer((socket) => {
  socket.on('error', () => {}) // who destroys a socket before it has read resets the connection
  socket.write('hi')
}).listen(0, '127.0.0.1')

http.createServer((request, response) => {
  if (request.url === '/health') return response.end('ok')
  const socket = net.connect(backend.address().port, '127.0.0.1', () => {
    if (FIXED) socket.destroy()
    else kept.push(socket)
    response.end('done')
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
