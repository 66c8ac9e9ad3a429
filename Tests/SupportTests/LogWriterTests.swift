import Foundation
import Support
import Testing

@Suite struct LogWriterTests {
    /// Both ends of a pipe of one page, which is full after 4 KiB.
    private func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        // F_SETPIPE_SZ, which Glibc's module hides behind _GNU_SOURCE.
        try #require(fcntl(ends[1], 1031, 4096) >= 4096)
        return (ends[0], ends[1])
    }

    private let line = [UInt8](repeating: 0x61, count: 99) + [0x0A]

    /// Nobody reads: neither the writer nor whoever waits for it is held, and what finds no room is counted.
    @Test func aFullPipeHoldsNobody() throws {
        let (reading, writing) = try pipe()
        defer { close(reading) }
        let log = LogWriter(descriptor: writing, capacity: 10_000)
        let start = ContinuousClock.now
        for _ in 0..<1000 { log.write(line) }
        #expect(!log.flush(within: 0.2))
        #expect(ContinuousClock.now - start < .seconds(2))
        // 100 lines wait or are on their way; up to 41 have got into the pipe while others came.
        let dropped = log.dropped
        #expect((850...900).contains(dropped))
        // When it is read again all that waited comes, in whole lines.
        var bytes = [UInt8](repeating: 0, count: 4096)
        var total = 0
        while total < (1000 - dropped) * line.count {
            let count = read(reading, &bytes, bytes.count)
            try #require(count > 0)
            total += count
        }
        #expect(log.flush(within: 5))
        #expect(total == (1000 - dropped) * line.count)
        #expect(log.dropped == dropped)
    }

    @Test func aFullDiskLosesLinesAndNothingElse() throws {
        let full = open("/dev/full", O_WRONLY)
        let log = LogWriter(descriptor: full)
        for _ in 0..<10 { log.write(line) }
        #expect(log.flush(within: 5))
        #expect(log.dropped == 10)
    }

    /// SIGPIPE is the process's; here it is ignored as the server ignores it.
    @Test func aPipeWithoutAReaderLosesLinesAndNothingElse() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_IGN)
            var ends: [Int32] = [0, 0]
            guard Glibc.pipe(&ends) == 0 else { exit(1) }
            close(ends[0])
            let log = LogWriter(descriptor: ends[1])
            for _ in 0..<10 { log.write([0x61, 0x0A]) }
            guard log.flush(within: 5), log.dropped == 10 else { exit(2) }
        }
    }

    @Test func linesOfSeveralThreadsStayWholeAndInOrder() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID())").path
        defer { unlink(path) }
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        let log = LogWriter(descriptor: file)
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for number in 0..<500 { log.write(Array("\(thread) \(number)\n".utf8)) }
        }
        #expect(log.flush(within: 10))
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2000)
        for thread in 0..<4 {
            let own = lines.filter { $0.hasPrefix("\(thread) ") }
            #expect(own == (0..<500).map { "\(thread) \($0)" }.map { $0[...] })
        }
        #expect(log.dropped == 0)
    }
}
