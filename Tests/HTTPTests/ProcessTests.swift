import Foundation
import HTTP
import Testing

/// What touches the whole process runs in one of its own.
@Suite struct ProcessTests {
    /// Who connects when only the reserve of descriptors is left is told that the server is busy; the reserve stays free
    /// for files, and timers that are first used then go off.
    @Test func keepsDescriptorsInReserve() async {
        await #expect(processExitsWith: .success) {
            try await withServer(limits: {
                $0.idle = .seconds(30)
                $0.reservedDescriptors = 40
            }) { server, journal in
                let limit = leaveDescriptors(100)
                var clients: [RawClient] = []
                var statuses: [Int] = []
                // Each takes two descriptors of this process, its own and the server's.
                while let client = try? RawClient(port: server.port), statuses.count(where: { $0 == 503 }) < 3 {
                    guard let answer = try? client.get("/soon") else { break }
                    statuses.append(answer.status)
                    clients.append(client)
                }
                guard statuses.count(where: { $0 == 503 }) == 3 else { exit(1) }
                guard statuses.first == 200, statuses.count(where: { $0 == 200 }) >= 20 else { exit(2) }
                let free = open("/dev/null", O_RDONLY)
                // Those that were told so are closed; what is free is the reserve, less the clients' own ends.
                guard free >= 0, Int(limit) - Int(free) > 20 else { exit(3) }
                guard try clients[0].get("/soon").status == 200 else { exit(4) }
                clients.removeAll()
                guard await eventually({ server.connectionCount == 0 }) else { exit(5) }
                guard try RawClient(port: server.port).get("/hello").status == 200 else { exit(6) }
            }
        }
    }

    /// Under a limit that leaves less than twice the reserve, half of what is free serves.
    @Test func servesUnderALowLimit() async {
        await #expect(processExitsWith: .success) {
            _ = leaveDescriptors(48)
            try await withServer(limits: { $0.reservedDescriptors = 100 }) { server, _ in
                var statuses: [Int] = []
                var clients: [RawClient] = []
                for _ in 0..<20 {
                    guard let client = try? RawClient(port: server.port), let answer = try? client.get("/hello")
                    else { break }
                    statuses.append(answer.status)
                    clients.append(client)
                }
                guard statuses.first == 200, statuses.contains(503) else { exit(1) }
                clients.removeAll()
                guard await eventually({ server.connectionCount == 0 }) else { exit(2) }
                guard try RawClient(port: server.port).get("/hello").status == 200 else { exit(3) }
            }
        }
    }

    /// Out of descriptors, the server waits, gives up idle connections, and takes clients again.
    @Test func survivesTheDescriptorLimit() async {
        await #expect(processExitsWith: .success) {
            try await withServer(limits: {
                $0.idle = .seconds(30)
                $0.reservedDescriptors = 0
            }) { server, journal in
                let busy = try RawClient(port: server.port)
                busy.send("GET /pause HTTP/1.1\r\nHost: a\r\n\r\n")
                guard await journal.has("pause began") else { exit(1) }
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                // A hundred are left, whatever this process inherited, and wherever.
                let probes = (0..<100).map { _ in open("/dev/null", O_RDONLY) }
                limit.rlim_cur = UInt(max(probes.max() ?? 0, 0)) + 1
                for probe in probes.dropFirst() { close(probe) }
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                // Each client takes two descriptors of this process, its own and the server's.
                var clients: [RawClient] = []
                while let client = try? RawClient(port: server.port) { clients.append(client) }
                guard clients.count > 10 else { exit(2) }
                usleep(200_000)
                journal.note("go on")
                guard try busy.answer().text == "paused" else { exit(3) }
                close(probes[0])
                clients.removeAll()
                guard await eventually({ server.connectionCount <= 1 }) else { exit(5) }
                for _ in 0..<20 {
                    guard try RawClient(port: server.port).get("/hello").status == 200 else { exit(4) }
                }
            }
        }
    }

    /// 500 idle connections cost no processor time, and end at the idle deadline.
    @Test func carriesIdleConnections() async {
        await #expect(processExitsWith: .success) {
            try await withServer(limits: { $0.idle = .seconds(8) }) { server, _ in
                let clients = try (0..<500).map { _ in try RawClient(port: server.port) }
                guard await eventually({ server.connectionCount == 500 }) else { exit(1) }
                let before = processorSeconds()
                usleep(1_000_000)
                let used = processorSeconds() - before
                guard server.connectionCount == 500, used < 0.15 else { exit(2) }
                for client in clients { guard client.isClosed() else { exit(3) } }
                guard await eventually({ server.connectionCount == 0 }) else { exit(4) }
            }
        }
    }

    /// Others that compute on all of Swift's shared threads do not keep the server from answering.
    @Test func answersWhileOthersCompute() async {
        await #expect(processExitsWith: .success) {
            try await withServer { server, _ in
                let client = try RawClient(port: server.port)
                let end = ContinuousClock.now + .seconds(60)
                for _ in 0..<32 { Task.detached { while ContinuousClock.now < end {} } }
                usleep(100_000)
                for _ in 0..<20 { guard try client.get("/hello").status == 200 else { exit(1) } }
                // A server on the shared threads would have answered only after the others were done.
                exit(ContinuousClock.now < end ? EXIT_SUCCESS : 2)
            }
        }
    }

    /// Long headers of clients that have left are not worked on.
    @Test func burnsNothingForThoseWhoLeft() async {
        await #expect(processExitsWith: .success) {
            try await withServer { server, _ in
                let text = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 128 << 10)
                for _ in 0..<50 {
                    let client = try RawClient(port: server.port)
                    client.send(text)
                    client.reset()
                }
                guard await eventually({ server.connectionCount == 0 }) else { exit(1) }
                let before = processorSeconds()
                usleep(500_000)
                guard processorSeconds() - before < 0.1 else { exit(2) }
            }
        }
    }

    /// Writing to a client that is gone raises no SIGPIPE, whose default is to end the process.
    @Test func survivesBrokenPipes() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_DFL)
            try await withServer { server, _ in
                for path in ["/large", "/events", "/hello"] {
                    for _ in 0..<10 {
                        let client = try RawClient(port: server.port)
                        client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                        usleep(1000)
                        client.reset()
                    }
                }
                guard await eventually({ server.connectionCount == 0 }) else { exit(1) }
                guard try RawClient(port: server.port).get("/hello").status == 200 else { exit(2) }
            }
        }
    }
}

/// Lowers the limit so that so many descriptors are free.
/// - Returns: the limit.
func leaveDescriptors(_ count: Int) -> UInt {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let probes = (0..<count).map { _ in open("/dev/null", O_RDONLY) }
    limit.rlim_cur = UInt(max(probes.max() ?? 0, 0)) + 1
    for probe in probes { close(probe) }
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return limit.rlim_cur
}

/// User and system time of this process so far.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
