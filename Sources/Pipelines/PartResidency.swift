import Models
import Tensor
import Weights

/// Where the weights of a model's parts are, and what keeps them in memory.
package protocol PartResidency: Sendable {
    /// Tells what is about to compute, in order: one entry for each pass through its weights (a prompt, a step, a
    /// decode). The first is hot; those after it are read ahead as memory allows. Replaces what was told before.
    func expect(_ passes: [Part])

    /// Whether the weights of a part are in memory, or there is room to keep them beside all others: to compute with
    /// them costs no other weights their place.
    func isResident(_ part: Part) -> Bool

    /// Bytes of weights that each pass through that part reads; 0 for a part that is not there.
    func bytes(of part: Part) -> Int

    /// Runs one pass through the weights of a part.
    /// - Parameter body: gets what to call now and then: it throws if a weight could not be read.
    func pass<R>(through part: Part, _ body: (_ check: () throws -> Void) throws -> R) throws -> R

    /// What is in memory of the weights of all models; nil if the system decides that.
    var report: ResidencyReport? { get }
}

extension PartResidency {
    /// Releases the memory of what was computed. Called when something ends that is not soon done again: an encoding, a decode; not
    /// between the steps of a generation.
    ///
    /// Where weights lack room it goes back to the system. Elsewhere the system may take it, and the next picture finds what is left.
    func releaseActivations() {
        if report.map(\.hasRoomForAll) ?? true { Arena.shared.offer() } else { Arena.shared.giveBack() }
    }
}

/// The parts of one model in a residency that the whole process shares; without one, weights are left to the system.
struct ModelResidency: PartResidency {
    private let model: String
    private let residency: Residency?
    private let ids: [Part: Residency.ID]
    private let bytes: [Part: Int]

    /// - Parameter weights: of each part, in the order a pass reads them.
    init(_ residency: Residency?, model: String, weights: [Part: [Weight]]) {
        self.model = model
        self.residency = residency
        bytes = weights.mapValues { $0.reduce(0) { $0 + $1.bytes.count } }
        guard let residency else {
            ids = [:]
            return
        }
        let sorted = weights.sorted { $0.key.name < $1.key.name }
        ids = Dictionary(
            uniqueKeysWithValues: sorted.map { part, weights in
                (part, residency.add(model: model, part: part.name, weights))
            })
    }

    func bytes(of part: Part) -> Int { bytes[part, default: 0] }

    func expect(_ passes: [Part]) {
        residency?.expect(passes.compactMap { ids[$0] }, among: Set(ids.values))
    }

    func isResident(_ part: Part) -> Bool {
        guard let report = residency?.report else { return true }
        if report.hasRoomForAll { return true }
        guard let own = report.residents.first(where: { $0.model == model && $0.part == part.name }) else {
            return true
        }
        // A little may make room for activations from time to time.
        return Double(own.bytesHere) >= 0.95 * Double(own.bytes)
    }

    func pass<R>(through part: Part, _ body: (_ check: () throws -> Void) throws -> R) throws -> R {
        guard let residency, let id = ids[part] else { return try body({}) }
        return try residency.pass(through: id) { try body(residency.check) }
    }

    var report: ResidencyReport? { residency?.report }
}
