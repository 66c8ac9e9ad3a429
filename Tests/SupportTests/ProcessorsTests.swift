import Foundation
import Support
import Testing

@Suite struct ProcessorsTests {
    @Test(
        arguments: [
            (8, nil, 8), (8, 0.5, 1), (8, 1.5, 2), (2, 6.0, 2), (2, 16.0, 2), (1, 0.01, 1), (0, nil, 1), (8, 1e300, 8),
        ] as [(Int, Double?, Int)])
    func theLeastOfAllCounts(cores: Int, quota: Double?, usable: Int) {
        #expect(Processors.usable(cores: cores, quota: quota) == usable)
    }

    @Test(
        arguments: [
            ("0-1", [0, 1]), ("1", [1]), ("0-3,8", [0, 1, 2, 3, 8]), ("1,,2", [1, 2]), ("0-2\n", [0, 1, 2]),
            ("", nil), ("x", nil), ("3-1", nil), ("-1", nil), ("1-", nil), ("1-2-3", nil),
            ("0-9223372036854775807", nil),
        ] as [(String, [Int]?)])
    func masksAreLists(list: String, numbers: [Int]?) {
        #expect(ProcessorList.parse(list) == numbers)
        let status = "Name:\tphasor\nCpus_allowed:\tff\nCpus_allowed_list:\t\(list)\nMems_allowed_list:\t0\n"
        let inside = list.hasSuffix("\n") ? [0, 1, 2] : numbers
        #expect(Processors.allowed(status: status) == inside)
    }

    @Test(arguments: ["0", "0-1", "0-3,8", "1,3,5-7,64-127"])
    func listsAreWrittenAsTheyAreRead(list: String) throws {
        #expect(ProcessorList.text(try #require(ProcessorList.parse(list))) == list)
    }

    /// What `taskset` leaves a process is what nproc of coreutils counts.
    @Test func thisProcessHasWhatTheSystemSays() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["-u", "OMP_NUM_THREADS", "-u", "OMP_THREAD_LIMIT", "nproc"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(Processors.allowed?.count == Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect((1...Processors.online).contains(Processors.usable))
        #expect(ProcessorTopology.current.processors == Processors.allowed)
    }
}
