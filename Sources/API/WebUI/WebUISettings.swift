import Diffusion
import Foundation
import Jobs
import Pipelines
import Support

/// What the settings of the web UI's clients become on the generators that there are.
///
/// Clients send their untouched defaults ("Euler a", 20 steps, a scale of 7) with every request. A distilled generator
/// was trained for its own few steps without guidance; with those defaults it would burn its pictures. Unless the
/// operator wants them refused (`isStrict`), it makes its own picture, and the answer tells what was used.
struct WebUISettings: Sendable {
    let isStrict: Bool

    /// A sampler is known by its generator's name, or as the rule of that generator that comes first: "Euler". The web
    /// UI's other samplers mean the default generator.
    /// - Returns: nil for the default generator.
    func generator(_ fields: Fields, of model: Pipeline) throws -> String? {
        let names = try (fields.string("sampler_name"), fields.string("sampler_index"))
        let field = names.0 == nil ? "sampler_index" : "sampler_name"
        guard let name = names.0 ?? names.1, !name.isEmpty else { return nil }
        let generators = model.generators.generators
        let rules = isStrict ? [name.lowercased()] : WebUISamplers.rules(of: name)
        if let match = generators.first(where: { $0.name.lowercased() == name.lowercased() })
            ?? generators.first(where: { rules.contains($0.sampler.rawValue) })
        {
            return match.name
        }
        if !isStrict, WebUISamplers.isKnown(name) { return nil }
        let known = Set(generators.flatMap { [$0.name, $0.sampler.rawValue] }).sorted()
        throw fields.wrong(
            field, .string(name),
            known.map { "'\($0)'" }.joined(separator: ", ") + (isStrict ? "" : " or a sampler of the web UI"))
    }

    /// Takes back what the generator cannot do or would burn by.
    /// - Returns: what was taken back.
    func settle(_ request: inout GenerationRequest, for model: Pipeline) throws -> [RequestWarning] {
        guard !isStrict else { return [] }
        let generator = try model.generators.generator(request.generator)
        let neutral = model.traits.guidance.neutralScale
        let isDistilled = generator.plan.phases.allSatisfy { $0.guidanceScale <= neutral }
        var warnings: [RequestWarning] = []
        if let steps = request.steps, !Self.takes(steps, generator, isDistilled: isDistilled) {
            request.steps = nil
            warnings.append(
                RequestWarning(
                    "steps", "\(steps) ignored; '\(generator.name)' makes its own \(generator.grid.defaultSteps)"))
        }
        if let scale = request.guidanceScale, scale > neutral, isDistilled || request.isUnguided(by: model) {
            request.guidanceScale = nil
            let why =
                isDistilled ? "'\(generator.name)' is distilled without guidance" : "guidance needs a negative prompt"
            warnings.append(RequestWarning("cfg_scale", "\(JSON(scale).text) ignored; \(why)"))
        }
        return warnings
    }

    /// A distilled generator is asked for other steps than its own on purpose where they are few: twice its own at most.
    private static func takes(_ steps: Int, _ generator: GeneratorSpec, isDistilled: Bool) -> Bool {
        // The number of tokens shifts the sigmas of some schedules; it never changes how many they are.
        guard (try? generator.schedule(steps: steps, tokens: 1)) != nil else { return false }
        return !isDistilled || steps <= 2 * generator.grid.defaultSteps
    }

    /// The web UI reads weights of words, `(word:1.2)`, and BREAK in prompts. Here they are text as any other: all models read
    /// prompts as the libraries do that they were published with.
    static func ignored(inPrompts fields: Fields) throws -> [RequestWarning] {
        try [RequestFields.prompt, RequestFields.negativePrompt].compactMap { field in
            guard let text = try fields.text(field, .webUI), hasSyntax(text) else { return nil }
            return RequestWarning(field.name, "weights of words and BREAK are read as text, not as in the web UI")
        }
    }

    /// Whether there is a `(...:NUMBER)` or the word BREAK.
    private static func hasSyntax(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let words = bytes.split { $0 == 0x20 || $0 == 0x0A || $0 == 0x2C }
        if words.contains(where: { $0.elementsEqual("BREAK".utf8) }) { return true }
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")) else { return false }
        return bytes[open...].split(separator: UInt8(ascii: ")"), omittingEmptySubsequences: false).dropLast().contains
        {
            guard let colon = $0.lastIndex(of: UInt8(ascii: ":")) else { return false }
            let weight = String(decoding: $0[(colon + 1)...], as: UTF8.self)
            return Double(weight.trimmingCharacters(in: .whitespaces)) != nil
        }
    }

    /// Fields that change a picture of the web UI, and none of these.
    static func ignored(_ fields: Fields) throws -> [RequestWarning] {
        let names = ["styles", "script_name", "subseed_strength", "refiner_checkpoint"].filter { isSet(fields[$0]) }
        return try names.map(RequestWarning.ignored) + ignoredScripts(fields) + ignoredSettings(fields)
    }

    /// Extensions such as ControlNet and ADetailer, where a client gives them something to do.
    private static func ignoredScripts(_ fields: Fields) -> [RequestWarning] {
        guard case .object(let scripts) = fields["alwayson_scripts"] else { return [] }
        let names = scripts.filter { isSet($0.value["args"] ?? $0.value) }.map(\.name)
        guard !names.isEmpty else { return [] }
        return [RequestWarning("alwayson_scripts", "\(names.joined(separator: ", ").prefix(200)) ignored")]
    }

    /// Settings of one request but the model, where they are not what the web UI has anyhow.
    private static func ignoredSettings(_ fields: Fields) throws -> [RequestWarning] {
        guard let settings = try fields.object("override_settings") else { return [] }
        let usual: [JSON] = ["Automatic", "None", "png"]
        let names = settings.names.filter { name in
            guard name != "sd_model_checkpoint", let value = settings[name], isSet(value) else { return false }
            return !usual.contains(value) && !(name == "CLIP_stop_at_last_layers" && value.number == 1)
        }
        guard !names.isEmpty else { return [] }
        return [RequestWarning("override_settings", "\(names.joined(separator: ", ").prefix(200)) ignored")]
    }

    private static func isSet(_ value: JSON?) -> Bool {
        switch value {
        case nil, .null, .bool(false), .string(""), .array([]), .object([]): false
        case .number: value?.number != 0
        default: true
        }
    }
}
