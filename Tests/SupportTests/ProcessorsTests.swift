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

    // MARK: Quotas

    private static let v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let v1 = """
        31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        32 23 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        33 23 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

        """

    struct Case: Sendable {
        let what: String
        let groups: String
        let mounts: String
        let files: [String: String]
        let processors: Double?
    }

    /// Files as the kernel's documentation has them (cgroup-v2.rst; sched-bwc.rst), and mounts as systemd and Docker make
    /// them.
    static let cases: [Case] = [
        Case(
            what: "version 2", groups: "0::/a/b\n", mounts: v2,
            files: ["/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"], processors: 1.5),
        Case(
            what: "the group above is lower", groups: "0::/a/b\n", mounts: v2,
            files: ["/sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "/sys/fs/cgroup/a/cpu.max": "50000 100000\n"],
            processors: 0.5),
        Case(
            what: "the group above is higher", groups: "0::/a/b\n", mounts: v2,
            files: ["/sys/fs/cgroup/a/b/cpu.max": "100000 100000\n", "/sys/fs/cgroup/a/cpu.max": "800000 100000\n"],
            processors: 1),
        Case(
            what: "no limit", groups: "0::/\n", mounts: v2, files: ["/sys/fs/cgroup/cpu.max": "max 100000\n"],
            processors: nil),
        Case(
            what: "a container with a namespace of its own", groups: "0::/\n", mounts: v2,
            files: ["/sys/fs/cgroup/cpu.max": "200000 100000\n"], processors: 2),
        Case(
            what: "a container without one sees only its own group", groups: "0::/docker/1234\n",
            mounts: "30 24 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            files: ["/sys/fs/cgroup/cpu.max": "250000 100000\n"], processors: 2.5),
        Case(
            what: "a group that is not to be seen from here", groups: "0::/../other\n",
            mounts: "30 24 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            files: ["/sys/fs/cgroup/cpu.max": "300000 100000\n"], processors: 3),
        Case(
            what: "version 1 beside an empty version 2", groups: "4:cpu,cpuacct:/a\n3:memory:/m\n0::/\n", mounts: v1,
            files: [
                "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "50000\n",
                "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            ], processors: 0.5),
        Case(
            what: "damaged files limit nothing", groups: "0::/a\n::\n\n", mounts: v2 + "nonsense - cgroup2\n- - -\n",
            files: ["/sys/fs/cgroup/a/cpu.max": "many\n", "/sys/fs/cgroup/cpu.max": "0 0\n"], processors: nil),
        Case(what: "nothing to read", groups: "", mounts: "", files: [:], processors: nil),
    ]

    @Test(arguments: cases)
    func controlGroupsLimit(_ test: Case) {
        let quota = ControlGroupQuota.processors(groups: test.groups, mounts: test.mounts) { test.files[$0] }
        #expect(quota == test.processors, "\(test.what)")
    }
}
