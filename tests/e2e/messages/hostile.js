// Sends what no client of gRPC sends: frames that lie, damaged gzip, streams that are reset, broken HTTP/2. Writes the
// status of each call, what became of each connection, and whether others were served.

const { readFileSync } = require("fs");
const http2 = require("http2");
const net = require("net");
const { gzipSync } = require("zlib");
const frames = require("./frames.js");

const { begin, field, frame, put } = frames;

const { port } = JSON.parse(readFileSync(0));

// Less than a server takes to find out that a connection is dead.
const DEADLINE = 15_000;

const BUSY = "8";

const connect = () => frames.connect(port);

const call = async (session, body, headers) => (await frames.call(session, "PutBatch", body, headers)).status;

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

// Puts a message, again while places are taken by streams whose end the server has not seen yet.
async function served(session) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const status = await call(session, frame(put("served")));
    if (status !== BUSY || Date.now() > end) return status;
    await pause(20);
  }
}

async function statuses(session) {
  const [good, refused] = [put("good"), put("refused")];
  const damaged = gzipSync(put("damaged", "x".repeat(1000)));
  damaged[damaged.length >> 1] ^= 0xff;
  const gzip = { "grpc-encoding": "gzip" };
  const cases = {
    good: [frame(good)],
    "good gzip": [frame(gzipSync(good), { flag: 1 }), gzip],
    "damaged gzip": [frame(damaged, { flag: 1 }), gzip],
    "gzip that is cut": [frame(gzipSync(refused).subarray(0, 12), { flag: 1 }), gzip],
    "no gzip": [frame(refused, { flag: 1 }), gzip],
    "gzip without its name": [frame(gzipSync(refused), { flag: 1 })],
    "another compression": [frame(refused, { flag: 1 }), { "grpc-encoding": "br" }],
    "an unknown flag": [frame(refused, { flag: 7 })],
    "a length above": [frame(refused, { length: refused.length + 10 })],
    "a length below": [frame(refused, { length: refused.length - 1 })],
    "the longest length": [frame(refused, { length: 0xffffffff })],
    "half a head": [frame(refused).subarray(0, 3)],
    "no frame": [Buffer.alloc(0)],
  };
  const found = {};
  for (const [name, [body, headers]] of Object.entries(cases)) {
    found[name] = await call(session, body, headers);
    const next = await served(session);
    if (next !== "0") found[name] += `, and the next call ${next}`;
  }
  return found;
}

// Begins puts and resets them, some before anything of the body is sent.
async function resets(session, count) {
  for (let number = 0; number < count; number++) {
    if (session.destroyed || session.closed) return;
    const request = begin(session, "PutBatch");
    const closed = new Promise((resolve) => request.on("close", resolve));
    if (number % 2) request.write(frame(put("reset"), { length: 1000 }));
    request.close(http2.constants.NGHTTP2_CANCEL);
    await closed;
  }
}

// Leaves as soon as an answer that does not fit its window begins.
async function leave() {
  const session = connect();
  const request = begin(session, "GetBatch");
  const begun = new Promise((resolve) => {
    request.on("response", resolve);
    request.on("close", () => resolve({ "grpc-status": "lost" }));
  });
  request.end(frame(Buffer.concat(["l0", "l1", "l2"].map((id) => field(1, Buffer.from(id))))));
  const headers = await begun;
  session.destroy();
  return headers["grpc-status"] ?? "answered";
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function http2Frame(type, flags, stream, payload, length = payload.length) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

// Sends bytes after the preface and the settings. Whether the server closes the connection.
function closes(bytes, preface = PREFACE) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const late = setTimeout(() => {
      resolve("open");
      socket.destroy();
    }, DEADLINE);
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      resolve("closed");
    });
    socket.resume();
    socket.write(Buffer.concat([preface, http2Frame(4, 0, 0, Buffer.alloc(0)), bytes]));
  });
}

async function connections(bystander) {
  const [DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [0, 1, 4, 6, 8, 9];
  const END_HEADERS = 4;
  const none = Buffer.alloc(0);
  const cases = {
    noise: [Buffer.alloc(64, 0xff)],
    "a frame too long": [http2Frame(DATA, 0, 1, none, 0xffffff)],
    "headers of no stream": [http2Frame(HEADERS, END_HEADERS, 0, Buffer.from([0x82]))],
    "broken headers": [http2Frame(HEADERS, END_HEADERS, 1, Buffer.from([0x80]))],
    "headers that go on without a begin": [http2Frame(CONTINUATION, END_HEADERS, 1, Buffer.from([0x82]))],
    "data of a stream that is not open": [http2Frame(DATA, 0, 1, Buffer.from("x"))],
    "a window of nothing": [http2Frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(4))],
    "half a setting": [http2Frame(SETTINGS, 0, 0, Buffer.alloc(5))],
    "a short ping": [http2Frame(PING, 0, 0, Buffer.alloc(7))],
    "half a preface": [none, Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
  };
  const found = {};
  for (const [name, [bytes, preface]] of Object.entries(cases)) {
    found[name] = await closes(bytes, preface);
    const next = await served(bystander);
    if (next !== "0") found[name] += `, and a call of another connection ${next}`;
  }
  return found;
}

async function main() {
  const bystander = connect();
  const answer = { statuses: await statuses(bystander), connections: await connections(bystander) };
  // More than there are places.
  await resets(bystander, 8);
  answer.resets = await served(bystander);
  // So many that the server may close the connection.
  const rapid = connect();
  await resets(rapid, 200);
  rapid.destroy();
  answer.rapid = await served(bystander);
  answer.left = [];
  for (const id of ["l0", "l1", "l2"]) await call(bystander, frame(put(id, "l".repeat(1_000_000))));
  for (let number = 0; number < 8; number++) {
    let left = await leave();
    while (left === BUSY) {
      await pause(20);
      left = await leave();
    }
    answer.left.push(left);
  }
  answer.bystander = await served(bystander);
  const fresh = connect();
  answer.fresh = await served(fresh);
  fresh.close();
  bystander.close();
  process.stdout.write(JSON.stringify(answer));
}

main();
