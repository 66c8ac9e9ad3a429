import Foundation

/// What a stretch of work took of memory and energy, where Linux tells.
struct ResourceMeter {
    /// RAPL's counters of whole processor packages, and where they wrap.
    private let domains: [(path: String, range: Double)]
    private let before: Before

    private final class Before {
        var microjoules: [Double?] = []
    }

    init() {
        let root = "/sys/class/powercap"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        // intel-rapl:0 is a package (AMD's too), intel-rapl:0:0 a part of it.
        domains = names.filter { $0.contains("rapl") && $0.filter { $0 == ":" }.count == 1 }.sorted().compactMap {
            name in
            guard let range = Self.number("\(root)/\(name)/max_energy_range_uj"),
                Self.number("\(root)/\(name)/energy_uj") != nil
            else { return nil }
            return ("\(root)/\(name)/energy_uj", range)
        }
        before = Before()
    }

    /// Whether energy can be told. Linux shows RAPL's counters to root only, virtual machines have none.
    var measuresEnergy: Bool { !domains.isEmpty }

    /// Forgets the peak so far and notes the energy so far.
    func start() {
        // 5 resets VmHWM (proc(5)); without the permission the peak is that of the process's life.
        if let file = fopen("/proc/self/clear_refs", "w") {
            fputs("5", file)
            fclose(file)
        }
        before.microjoules = domains.map { Self.number($0.path) }
    }

    /// Since `start`.
    func stop() -> (joules: Double?, peakResidentBytes: Int?) {
        var joules: Double? = domains.isEmpty ? nil : 0
        for (domain, before) in zip(domains, before.microjoules) {
            guard let before, let now = Self.number(domain.path) else { return (nil, Self.peakResident) }
            joules? += (now >= before ? now - before : now + domain.range - before) / 1e6
        }
        return (joules, Self.peakResident)
    }

    private static func number(_ path: String) -> Double? {
        (try? String(contentsOfFile: path, encoding: .utf8)).flatMap {
            Double($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }

    private static var peakResident: Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return kilobytes * 1024
    }
}
