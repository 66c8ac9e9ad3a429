import Foundation
import Testing

/// `phasor inspect --machine` beside what other programs say of the machine.
@Suite(.serialized, .timeLimit(.minutes(2))) struct InspectMachineTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    /// The lines by title; those without one belong to the title before.
    private func told(_ words: [String] = [], environment: [String: String] = [:]) throws -> [String: [String]] {
        let run =
            words.isEmpty
            ? try command.run(["inspect", "--machine"], environment: environment)
            : try command.run(
                words.dropFirst() + [CommandRun.binary.path, "inspect", "--machine"], environment: environment,
                program: URL(filePath: words[0]))
        try #require(run.code == 0, "\(run.said)")
        var (lines, title) = ([String: [String]](), "")
        for line in run.text.split(separator: "\n") {
            let name = line.prefix(13).trimmingCharacters(in: .whitespaces)
            if !name.isEmpty { title = name }
            lines[title, default: []].append(line.dropFirst(13).trimmingCharacters(in: .whitespaces))
        }
        return lines
    }

    private func number(_ program: String, _ words: String...) throws -> Int {
        let run = try command.run(words, program: URL(filePath: program))
        return try #require(Int(run.text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    @Test func theMachineIsWhatOtherProgramsSayOfIt() throws {
        let lines = try told()
        let processors = try number("/usr/bin/nproc")
        let online = try number("/usr/bin/getconf", "_NPROCESSORS_ONLN")
        #expect(lines["processors"]?.first?.hasPrefix("\(online) online") == true)
        #expect(lines["processors"]?.first?.contains("\(processors) in the affinity mask") == true)
        let memory = try String(contentsOfFile: "/proc/meminfo", encoding: .utf8)
        let kilobytes = try #require(memory.firstMatch(of: /MemTotal: +(\d+) kB/).flatMap { Double($0.1) })
        #expect(lines["memory"]?.first?.hasPrefix(String(format: "%.1f GB", kilobytes * 1024 / 1e9)) == true)
        let nodes = try FileManager.default.contentsOfDirectory(atPath: "/sys/devices/system/node").filter {
            $0.wholeMatch(of: /node\d+/) != nil
        }
        if nodes.count == 1 { #expect(lines["memory nodes"] == ["1"]) }
        let peaks = try #require(lines["peaks"]?.first?.firstMatch(of: /f32 (\d+) GF\/s, bf16 (\d+) GF\/s/))
        #expect(try #require(Int(peaks.1)) > 0 && #require(Int(peaks.2)) > 0)
    }

    @Test func theLevelIsTheHighestThatTheProcessorHas() throws {
        let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        guard let flags = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") }) else { return }
        let has = Set(flags.split(separator: " ").map(String.init))
        let levels = [
            ("amx", has.contains("amx_bf16")), ("avx512bf16", has.contains("avx512_bf16")),
            ("avx512", has.isSuperset(of: ["avx512f", "avx512bw", "avx512vl", "avx512dq"])),
            ("avx2", has.isSuperset(of: ["avx2", "fma"])),
        ]
        guard levels.contains(where: \.1) else { return }
        let kernels = try #require(try told()["kernels"])
        let words = kernels[0].split(separator: ",").map(String.init)
        #expect(levels.contains { $0.0 == words[0] && $0.1 })
        // Every processor of the AVX2 level multiplies pairs of 16 bits; AVX-512 needs VNNI.
        let bytes = words[0] == "avx2" || !has.isDisjoint(with: ["avx512_vnni", "avx_vnni", "amx_int8"])
        #expect(words.contains(" and int8") == bytes)
        // A level that the processor has may be one that the system denies, never one that the processor lacks.
        let above = levels.prefix { $0.0 != words[0] }
        let reasons = kernels.dropFirst().map { $0.split(separator: ": ", maxSplits: 1).map(String.init) }
        #expect(Set(reasons.map(\.[0])) == Set(above.map { "not \($0.0)" }))
        for (level, isThere) in above {
            let reason = try #require(reasons.first { $0[0] == "not \(level)" })[1]
            #expect((reason == "the processor lacks its instructions") != isThere, "\(level): \(reason)")
        }
        #expect(try told(environment: ["PHASOR_ISA": "plain"])["kernels"]?[0].hasPrefix("plain") == true)
    }

    @Test func theMaskAndTheOptionsCount() throws {
        let one = try told(["/usr/bin/taskset", "-c", "0"])
        #expect(one["processors"]?.first?.contains("1 in the affinity mask (0)") == true)
        #expect(one["processors"]?.contains("1 core of 1 thread each") == true)
        #expect(one["threads"]?.first?.hasPrefix("1,") == true)
        #expect(one["peaks"]?.last?.contains("with 1 thread;") == true)
        let run = try command.run(["inspect", "--machine", "--threads", "3"])
        #expect(run.text.contains("threads       3,"))
    }
}
