import Support
import Testing

@Suite struct ControlGroupsTests {
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
        let groups = ControlGroups(groups: test.groups, mounts: test.mounts) { test.files[$0] }
        #expect(groups.processors == test.processors, "\(test.what)")
    }

    // MARK: Memory

    /// The lowest of the limits of a group and of all that it is in, in both versions: files and what the kernel writes into
    /// them as its documentation has them (cgroup-v2.rst, cgroup-v1/memory.rst).
    @Test(
        arguments: [
            ("0::/x\n", v2, ["/sys/fs/cgroup/x/memory.max": "5000\n", "/sys/fs/cgroup/memory.max": "9000\n"], 5000),
            ("0::/x\n", v2, ["/sys/fs/cgroup/x/memory.max": "9000\n", "/sys/fs/cgroup/memory.max": "max\n"], 9000),
            (
                "0::/x/y\n", v2, ["/sys/fs/cgroup/x/memory.max": "7000\n", "/sys/fs/cgroup/x/y/memory.max": "max\n"],
                7000
            ),
            ("0::/x\n", v2, ["/sys/fs/cgroup/x/memory.max": "max\n"], nil),
            (
                "4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/c\n0::/x\n", v1,
                [
                    "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
                    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000\n",
                    "/sys/fs/cgroup/memory/c/memory.limit_in_bytes": "1\n",
                    "/sys/fs/cgroup/cpu,cpuacct/c/memory.limit_in_bytes": "2\n",
                ], 3000
            ),
            // Beside version 1's controllers, version 2's empty hierarchy.
            (
                "4:memory:/a\n0::/x\n", v1,
                [
                    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4000\n",
                    "/sys/fs/cgroup/unified/x/memory.max": "2000\n",
                ], 2000
            ),
            // A container without a namespace of its own sees its group as the root.
            (
                "0::/docker/1234\n", "30 24 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                ["/sys/fs/cgroup/memory.max": "6000\n"], 6000
            ),
            ("", "", [:], nil),
        ] as [(String, String, [String: String], Int?)])
    func memoryIsLimited(groups: String, mounts: String, files: [String: String], bytes: Int?) {
        #expect(ControlGroups(groups: groups, mounts: mounts) { files[$0] }.memory == bytes)
    }
}
