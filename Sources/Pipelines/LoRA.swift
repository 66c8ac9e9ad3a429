/// A LoRA file that a request puts on the experts, besides those that the model was opened with.
package struct LoRA: Codable, Hashable, Sendable {
    /// The name in the `LoRALibrary`.
    package let name: String
    /// Factor on the whole update; 1 is as trained.
    package let strength: Float
    /// Whom it is for, also as `high` or `low`; nil is every expert that the file has keys for.
    package let expert: String?
    /// The file's `contentDigest`; nil until the file was looked for.
    package let digest: String?

    package init(name: String, strength: Float = 1, expert: String? = nil, digest: String? = nil) {
        self.name = name
        self.strength = strength
        self.expert = expert
        self.digest = digest
    }

    /// Whether it is for the expert of that name.
    func isFor(_ name: String) -> Bool {
        guard let expert else { return true }
        return expert == name || ModelFiles.expertName(expert) == name
    }
}

/// The LoRA files of a request, found and known to fit.
package struct SettledLoRAs: Sendable {
    /// The LoRAs as they were asked for, with their digests.
    package let all: [LoRA]
    /// What each expert computes with; those of strength 0 do nothing and are left out.
    package let byExpert: [String: [LoRA]]
    /// What texts are encoded with; those of strength 0 are left out here, too.
    package let text: [LoRA]

    package static let none = SettledLoRAs(all: [], byExpert: [:])

    package init(all: [LoRA], byExpert: [String: [LoRA]], text: [LoRA] = []) {
        self.all = all
        self.byExpert = byExpert
        self.text = text
    }
}
