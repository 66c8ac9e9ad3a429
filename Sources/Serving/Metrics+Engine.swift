import Foundation
import Jobs
import Pipelines
import Support
import Tensor

extension Metrics {
    /// Every part of every model, also one that nobody waits for: whoever scales by a series needs its zero.
    package func set(_ backlog: Backlog, of models: [Pipeline]) {
        set("phasor_jobs", "Unfinished jobs by state.", ["state": "queued"], to: Double(backlog.queued))
        set("phasor_jobs", "Unfinished jobs by state.", ["state": "running"], to: Double(backlog.running))
        let now = Date().timeIntervalSince1970
        for model in models {
            for part in model.passedParts {
                let line = backlog.lines[PartLine.Place(model: model.id, part: part)] ?? PartLine()
                let labels: Labels = ["model": model.id, "part": part.name]
                set(
                    "phasor_waiting_jobs", "Unfinished jobs that need the part next and are not computed now.", labels,
                    to: Double(line.jobs))
                set(
                    "phasor_oldest_wait_seconds", "How long the job has waited that has waited longest for the part.",
                    labels, to: line.since.map { max(0, now - $0) } ?? 0)
            }
        }
        if let notices = backlog.notices {
            set(
                "phasor_webhook_waiting", "Ends of jobs that are still to be told to a webhook.", to: Double(notices))
        }
    }

    /// What activations and weights take.
    package func setMemory(of models: [Pipeline]) {
        let memory = Arena.shared.use
        let help = "Bytes of activations: in use, the most there were, and kept for reuse."
        set("phasor_activation_bytes", help, ["use": "now"], to: Double(memory.inUse))
        set("phasor_activation_bytes", help, ["use": "peak"], to: Double(memory.peak))
        set("phasor_activation_bytes", help, ["use": "idle"], to: Double(memory.idle))
        total(
            "phasor_log_lines_dropped_total", "Lines that standard error did not take.",
            to: Double(LogWriter.standardError.dropped))
        // All models share one.
        if let report = models.lazy.compactMap(\.residency.report).first { set(report) }
    }
}
