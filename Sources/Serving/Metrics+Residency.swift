import Pipelines
import Weights

extension Metrics {
    /// What is in memory of the weights, and what it cost to have it there.
    func set(_ report: ResidencyReport) {
        let tally = report.tally
        set(
            "phasor_memory_budget_bytes", "Bytes that the process may have in memory, all told.",
            to: Double(report.budget))
        set(
            "phasor_weights_room_bytes", "Bytes that weights may take now: the budget less everything else.",
            to: Double(report.room))
        for resident in report.residents {
            let labels: Labels = ["model": resident.model, "part": resident.part]
            set(
                "phasor_weights_mapped_bytes", "Bytes of weights that a pass reads.", labels,
                to: Double(resident.bytes))
            set(
                "phasor_weights_resident_bytes", "Bytes of weights that are in memory.", labels,
                to: Double(resident.bytesHere))
            for state in ResidentState.allCases {
                set(
                    "phasor_weights_state", "1 for the state that a part of a model is in, 0 for the others.",
                    ["model": resident.model, "part": resident.part, "state": state.rawValue],
                    to: resident.state == state ? 1 : 0)
            }
            total(
                "phasor_weights_switches_total", "Passes through a part after a pass through another one.", labels,
                to: Double(resident.switches.count))
            total(
                "phasor_weights_switch_stall_seconds_total",
                "Seconds that such a pass waited for weights that were not there yet.", labels,
                to: resident.switches.stallSeconds)
        }
        total(
            "phasor_weights_stall_seconds_total", "Seconds that computing waited for weights that were not there yet.",
            to: tally.stallSeconds)
        total(
            "phasor_weights_read_bytes_total", "Bytes of weights brought into memory, from disk or page cache.",
            to: Double(tally.bytesRead))
        total(
            "phasor_weights_read_seconds_total", "Seconds spent on bringing them, most of them while others computed.",
            to: tally.readSeconds)
        let help = "Bytes of weights asked for, by whether they were there."
        total("phasor_weights_asked_bytes_total", help, ["there": "yes"], to: Double(tally.bytesMet))
        total("phasor_weights_asked_bytes_total", help, ["there": "no"], to: Double(tally.bytesMissed))
        total(
            "phasor_major_page_faults_total", "Pages that the process had to wait for, as the kernel counts them.",
            to: Double(ProcessMemory.majorFaults))
    }
}
