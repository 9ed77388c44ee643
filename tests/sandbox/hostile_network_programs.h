// Programs that mean harm to, or by, the way out of a session that has one; see hostile_programs.h.
#pragma once

#include "tests/sandbox/hostile_programs.h"

namespace toccata::sandbox {

// `said(bytes)`: what the proxy answers to them. `shut(bytes)`: 'stopped' when that is a refusal or nothing. ALLOWED is put before it.
inline constexpr const char* kNetworkPrelude = R"(
import struct
def door(timeout=5):
    return socket.create_connection(('127.0.0.1', 3128), timeout)
def said(request):
    with door() as s:
        try:
            s.sendall(request if isinstance(request, bytes) else request.encode())
            answer = b''
            while part := s.recv(65536): answer += part
        except ConnectionError: pass
        return answer
def shut(*requests):
    answers = [said(r) for r in requests]
    return 'stopped' if all(a == b'' or a[9:10] in b'45' for a in answers) else answers
def open_tunnel():
    s = door()
    s.sendall(('CONNECT %s HTTP/1.1\r\n\r\n' % ALLOWED).encode())
    s.recv(1000)
    return s
)";

// clang-format off: one program a line
inline constexpr Hostile kHostileNetwork[] = {
    // Past the proxy.
    {"ConnectToTheHost", Fate::kStopped, "tried(lambda: socket.create_connection(('127.0.0.1', HOST_PORT), 2))"},
    {"ConnectToTheAllowedHostItself", Fate::kStopped, "tried(lambda: socket.create_connection(ALLOWED.split(':'), 2))"},
    {"ConnectToTheInternet", Fate::kStopped, "every(*[lambda p=p: socket.create_connection(('192.0.2.1', p), 2) for p in (80, 443, 3128)])"},
    {"ForgetTheProxy", Fate::kStopped, "import urllib.request as u\ntried(lambda: u.build_opener(u.ProxyHandler({})).open('http://%s/' % ALLOWED, timeout=2))"},
    {"OtherProtocols", Fate::kStopped, "every(*[lambda t=t, p=p: socket.socket(2, t, p) for t, p in ((1, 262), (1, 132), (2, 0), (3, 1), (3, 255), (5, 132))])"},
    {"InternetSix", Fate::kStopped, "every(*[lambda t=t: socket.socket(10, t) for t in (1, 2, 3)])"},
    {"ProtocolsOnTopOfTcp", Fate::kStopped, "s = open_tunnel()\nevery(*[lambda n=n: s.setsockopt(6, 31, n) for n in (b'tls', b'espintcp', b'mptcp', b'smc')])"},
    {"MemoryOfTheKernel", Fate::kStopped, "s = open_tunnel()\nevery(lambda: s.getsockopt(6, 35, 64), lambda: s.setsockopt(6, 19, 1), lambda: s.setsockopt(6, 36, 1))"},
    {"OptionsOfIp", Fate::kStopped, "s = door()\nevery(*[lambda n=n: s.setsockopt(0, n, bytes(4)) for n in (4, 19, 24, 35, 41, 64)])"},
    {"AddARoute", Fate::kStopped, "s = door()\nimport fcntl\nevery(*[lambda r=r: fcntl.ioctl(s, r, b'lo' + bytes(62)) for r in (0x890b, 0x8914, 0x8916, 0x8922, 0x89a0, 0x8946)])"},
    {"AddAnInterface", Fate::kStopped, "tried(lambda: socket.socket(16, 3, 0))"},
    {"TakeTheProxysPlace", Fate::kStopped, "s = socket.socket()\ns.setsockopt(1, 15, 1)\ns.setsockopt(1, 2, 1)\ntried(lambda: s.bind(('127.0.0.1', 3128)))"},
    {"ListenForOthers", Fate::kEnds, "s = socket.socket()\ns.bind(('0.0.0.0', 8080))\ns.listen()"},
    // Through it, to where it must not lead.
    {"AskForTheHost", Fate::kStopped,
     "names = ('127.0.0.1', 'localhost', '127.1', '0', '0.0.0.0', '0x7f000001', '2130706433', '0177.0.0.1', '127.0.0.1.', '[::1]', '[::ffff:127.0.0.1]', '[::7f00:1]', '①27.0.0.1', '127.0.0.2')\n"
     "shut(*['CONNECT %s:%d HTTP/1.1\\r\\n\\r\\n' % (n, HOST_PORT) for n in names], *['GET http://%s:%d/ HTTP/1.1\\r\\n\\r\\n' % (n, HOST_PORT) for n in names])"},
    {"AskForTheCloud", Fate::kStopped, "shut(*['GET http://%s/latest/meta-data HTTP/1.1\\r\\n\\r\\n' % n for n in ('169.254.169.254', '[fd00:ec2::254]', 'metadata.google.internal', '100.100.100.200')])"},
    {"AskForAnotherPort", Fate::kStopped, "shut(*['CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % p for p in (1, 22, 25, 80, 443, 3128, HOST_PORT)])"},
    {"NamesInTwo", Fate::kStopped,
     "a = ALLOWED.encode()\n"
     "shut(*[b'CONNECT ' + x + b' HTTP/1.1\\r\\n\\r\\n' for x in (b'evil\\0.' + a, a + b'\\0.evil', a + b'@evil:80', b'evil:80@' + a, a + b'#evil', a + b'/evil', a + b'\\\\evil', a + b' evil', a + b'%00evil', b'evil:80 ' + a)])"},
    {"HideASecondRequest", Fate::kStopped,
     "host = b'GET http://' + ALLOWED.encode() + b'/ HTTP/1.1\\r\\n'\n"
     "second = b'GET /secret HTTP/1.1\\r\\nHost: evil\\r\\n\\r\\n'\n"
     "answers = [said(h + second) for h in (host + b'\\r\\n', host + b'Content-Length: 0\\r\\n\\r\\n', host + b'Connection: content-length\\r\\nContent-Length: 4\\r\\n\\r\\nabcd', host + b'Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n',\n"
     "  host + b'Content-Length: 4\\r\\nContent-Length: 90\\r\\n\\r\\nabcd', host + b'X: a\\nContent-Length: 0\\r\\n\\r\\n', host + b'Expect: 100-continue\\r\\n\\r\\n', host + b'Upgrade: h2c\\r\\nConnection: upgrade, http2-settings\\r\\n\\r\\n')]\n"
     "'stopped' if not any(b'ESCAPED' in a or a.count(b'HTTP/1.1 ') > 1 for a in answers) else answers"},
    {"AnotherHostInTheHead", Fate::kStopped, "a = said('GET http://%s/ HTTP/1.1\\r\\nHost: secret\\r\\n\\r\\n' % ALLOWED)\n'stopped' if a.endswith(b'allowed') else a"},
    {"TunnelInATunnel", Fate::kStopped, "with open_tunnel() as s:\n    s.sendall(b'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % HOST_PORT)\n    a = s.recv(1000)\n'stopped' if a.endswith(b'allowed') else a"},
    // Too much of it.
    {"EndlessHead", Fate::kStopped, "s = door()\ndef f():\n    while True: s.sendall(b'x' * 65536)\ntried(f)"},
    {"GarbageForTheProxy", Fate::kEnds, "for n in (0, 1, 100, 5000, 40000): said(os.urandom(n) + b'\\r\\n\\r\\n')"},
    {"ManyRequests", Fate::kEnds, "for i in range(1500): said('CONNECT h%d.example:443 HTTP/1.1\\r\\n\\r\\n' % i)"},
    {"ManyConnections", Fate::kEnds, "kept = []\nfor _ in range(300):\n    s = socket.socket()\n    s.setblocking(False)\n    s.connect_ex(('127.0.0.1', 3128))\n    kept.append(s)"},
    {"ConnectAndDrop", Fate::kEnds, "for i in range(2000):\n    with door() as s:\n        if i % 2: s.setsockopt(1, 13, struct.pack('ii', 1, 0))"},
    {"TunnelsLeftOpen", Fate::kEnds, "kept = [open_tunnel() for _ in range(10)]"},
    {"ADaemonWithATunnel", Fate::kEnds, "s = open_tunnel()\nif os.fork() == 0:\n    os.setsid()\n    while True:\n        try: open_tunnel()\n        except BaseException: time.sleep(0.01)"},
    {"AReaderThatNeverReads", Fate::kEnds, "s = door()\nfor _ in range(100):\n    try: s.send(b'GET http://evil/ HTTP/1.1\\r\\n\\r\\n')\n    except OSError: break"},
    {"AThreadThatFetchesLater", Fate::kEnds, "def later():\n    while True:\n        try: said('GET http://%s/ HTTP/1.1\\r\\n\\r\\n' % ALLOWED)\n        except OSError: pass\nthreading.Thread(target=later, daemon=True).start()"},
};
// clang-format on

}  // namespace toccata::sandbox
