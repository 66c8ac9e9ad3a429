import Diffusion
import Foundation
import Models
import Tensor
import Weights

/// A model without its text side, to measure steps and decoding.
extension Pipeline {
    /// The name of its one generator and of its one expert.
    package static let bareName = "bare"

    /// - Parameters:
    ///   - folder: with `transformer/` or `unet/` and, unless `autoencoder` is given, `vae/`; nothing else in it is read.
    ///   - expert, autoencoder: files that are read in place of those there.
    ///   - steps: of the one generator, which is not guided.
    ///   - textRows: rows of zeros that stand for a prompt.
    /// - Throws: as the opening of a whole model.
    package convenience init(
        bare folder: String, expert: String?, autoencoder: String?, steps: Int, textRows: Int, compute: Compute
    ) throws {
        func configuration(_ name: String) -> Checkpoint.Configuration? {
            let path = "\(folder)/\(name)/config.json"
            return FileManager.default.contents(atPath: path).map { Checkpoint.Configuration(json: $0, source: path) }
        }
        let names = Families.networkFolders
        let name = names.first { FileManager.default.fileExists(atPath: "\(folder)/\($0)") } ?? names[0]
        let source = expert ?? "\(folder)/\(name)"
        let opened = try Checkpoint(toRecognise: source)
        let identity = try FileIdentity.of(opened, as: .expert)
        guard let family = identity.family, identity.refusal == nil else {
            throw ModelError.unsupported(
                folder: source, reason: "\(identity.name): \(identity.refusal ?? "no family runs it")")
        }
        let network = try family.network(
            WeightReader(opened.renamed(by: family.networkKeys).configured(by: configuration(name))),
            compute: compute)
        let files = family.autoencoder
        let weights = try Checkpoint(path: autoencoder ?? "\(folder)/\(files.folder)")
        let vae: any Autoencoder =
            TinyAutoencoders.recognise(weights) != nil
            ? try TinyAutoencoders.open(WeightReader(weights), compute: compute.unquantized)
            : try family.autoencoder(
                WeightReader(weights.renamed(by: files.keys).configured(by: configuration(files.folder))),
                compute: compute.unquantized)
        let packing = family.traits.packing
        guard network.channels == vae.channels * packing * packing else {
            throw ModelError.notAModel(
                folder: folder,
                reason: "the VAE has \(vae.channels) channels (z_dim), the network works on \(network.channels)")
        }
        let neutral = family.traits.guidance.neutralScale
        let generator = try GeneratorSpec(
            name: Self.bareName, sampler: .euler, grid: .shifted(steps: steps, shift: 1),
            plan: PhasePlan(expert: Self.bareName, guidanceScale: neutral.isFinite ? neutral : 1))
        self.init(
            id: folder, traits: family.traits, generators: try GeneratorSet([generator], default: generator.name),
            sizes: SizeLimits(
                sideMultiple: vae.spatialFactor * packing * network.patch[1],
                frameMultiple: vae.temporalFactor * network.patch[0], defaults: family.traits.defaults),
            parts: Parts(
                promptEncoder: BlankText(width: network.textWidth, length: textRows),
                networks: [Self.bareName: network], autoencoder: vae,
                pictureEncoder: vae is any TinyAutoencoder ? nil : family.pictureEncoder(vae)),
            residency: ModelResidency(nil, model: folder, weights: [:]), identities: PartIdentities([:]))
    }
}

/// Rows of zeros in place of a prompt.
private struct BlankText: PromptEncoder {
    let width: Int
    let length: Int

    func tokenCount(of prompt: String) -> Int { length }

    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning { try encode(tokens: length) }

    func encode(tokens count: Int) throws -> Conditioning { Conditioning(rows: Tensor(zeros: [count, width])) }
}
