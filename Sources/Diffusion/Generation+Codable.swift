import Foundation
import Tensor

/// Writing a generation to disk and resuming it, to the bit. A file may be damaged: decoding checks everything that
/// a step relies on, and throws `DiffusionError` or `DecodingError`.
extension Generation: Codable {
    private enum CodingKeys: String, CodingKey {
        case seed, plan, schedule, guidance, inputs, sampler, stepIndex, latent, estimates, previous
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(seed, forKey: .seed)
        try values.encode(plan, forKey: .plan)
        try values.encode(schedule, forKey: .schedule)
        try values.encode(guidance, forKey: .guidance)
        try values.encode(inputs, forKey: .inputs)
        try values.encode(sampler.kind, forKey: .sampler)
        try values.encode(stepIndex, forKey: .stepIndex)
        try values.encode(StoredTensor(latent), forKey: .latent)
        try values.encode(sampler.uniPC.estimates.map(StoredTensor.init), forKey: .estimates)
        try values.encodeIfPresent(sampler.uniPC.previous.map(StoredTensor.init), forKey: .previous)
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let seed = try values.decode(UInt64.self, forKey: .seed)
        let kind = try values.decode(SamplerKind.self, forKey: .sampler)
        let schedule = try values.decode(SigmaSchedule.self, forKey: .schedule)
        let stepIndex = try values.decode(Int.self, forKey: .stepIndex)
        guard (0...schedule.count).contains(stepIndex) else {
            throw DiffusionError.damagedGeneration("step \(stepIndex) of \(schedule.count)")
        }
        let latent = try values.decode(StoredTensor.self, forKey: .latent).tensor()
        let estimates = try values.decode([StoredTensor].self, forKey: .estimates).map { try $0.tensor() }
        let previous = try values.decodeIfPresent(StoredTensor.self, forKey: .previous)?.tensor()
        guard (estimates + [previous].compactMap { $0 }).allSatisfy({ $0.shape == latent.shape }),
            let uniPC = UniPC(
                estimates: estimates, previous: previous, index: [.uniPC, .dpm].contains(kind) ? stepIndex : 0)
        else {
            throw DiffusionError.damagedGeneration("the state of the sampler does not belong to step \(stepIndex)")
        }
        try self.init(
            seed: seed, plan: values.decode(PhasePlan.self, forKey: .plan), schedule: schedule,
            guidance: values.decode(Guidance.self, forKey: .guidance),
            inputs: values.decode(GenerationInputs.self, forKey: .inputs), latent: latent, stepIndex: stepIndex,
            sampler: Sampler(kind, seed: seed, uniPC: uniPC))
    }
}
