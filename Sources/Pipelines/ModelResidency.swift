import Tensor
import Weights

/// The parts of one model in a residency that the whole process shares; without one, weights are left to the system.
struct ModelResidency: Sendable {
    private let residency: Residency?
    private let ids: [Resident: Residency.ID]
    private let bytes: [Resident: Int]

    /// - Parameter weights: of each part, in the order a pass reads them.
    init(_ residency: Residency?, model: String, weights: [Resident: [Weight]]) {
        self.residency = residency
        bytes = weights.mapValues { $0.reduce(0) { $0 + $1.bytes.count } }
        guard let residency else {
            ids = [:]
            return
        }
        let sorted = weights.sorted { $0.key.description < $1.key.description }
        ids = Dictionary(
            uniqueKeysWithValues: sorted.map { part, weights in
                (part, residency.add(model: model, part: part.description, weights))
            })
    }

    func bytes(of part: Resident) -> Int { bytes[part, default: 0] }

    func expect(_ passes: [Resident]) {
        residency?.expect(passes.compactMap { ids[$0] }, among: Set(ids.values))
    }

    /// Runs one pass through the weights of a part.
    /// - Parameter body: gets what to call now and then: it throws if a weight could not be read.
    func pass<R>(through part: Resident, _ body: (_ check: () throws -> Void) throws -> R) throws -> R {
        guard let residency, let id = ids[part] else { return try body({}) }
        return try residency.pass(through: id) { try body(residency.check) }
    }

    var report: ResidencyReport? { residency?.report }
}
