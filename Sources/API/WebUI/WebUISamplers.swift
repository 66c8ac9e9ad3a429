/// The samplers that clients of the A1111 web UI name, by which none of its pictures can be made here: a distilled
/// generator has a step rule of its own.
enum WebUISamplers {
    /// The known names without blanks and signs, in lower case.
    private static let names: Set = [
        "euler", "eulera", "eulerancestral", "lms", "heun", "heunpp2", "dpm2", "dpm2a", "dpm2ancestral", "dpm++2sa",
        "dpmpp2sancestral", "dpmpp2sa", "dpm++2m", "dpmpp2m", "dpm++2mv2", "dpmpp2mv2", "dpm++sde", "dpmppsde",
        "dpm++2msde", "dpmpp2msde", "dpm++2msdeheun", "dpmpp2msdeheun", "dpm++3msde", "dpmpp3msde", "dpmfast",
        "dpmadaptive", "restart", "ddim", "ddimcfg++", "ddimtrailing", "ddpm", "plms", "unipc", "unipcbh2", "lcm",
        "tcd",
        "deis", "ipndm", "ipndmv", "resmultistep", "ersde", "eulercfg++", "eulersmea", "eulersmeady", "eulerdy",
        "eulermax", "eulernegative", "euleracfg++", "flowmatcheuler",
    ]
    /// What older clients put behind the name of a sampler.
    private static let schedulers = [
        "karras", "exponential", "polyexponential", "sgmuniform", "simple", "normal", "beta", "automatic", "uniform",
        "turbo", "kloptimal", "ddim", "alignyoursteps", "ays", "linearquadratic",
    ]

    /// Whether a name is one of the web UI's, with or without a scheduler behind it.
    static func isKnown(_ name: String) -> Bool { !stems(of: name).isDisjoint(with: names) }

    /// A name as it is compared: without a scheduler, `k_`, blanks, dashes and capitals.
    private static func stems(of name: String) -> Set<String> {
        let plain = stem(name)
        var stems: Set = [plain]
        for scheduler in schedulers where plain.hasSuffix(scheduler) {
            stems.insert(String(plain.dropLast(scheduler.count)))
        }
        for stem in stems where stem.hasPrefix("k") { stems.insert(String(stem.dropFirst())) }
        return stems
    }

    private static func stem(_ name: String) -> String {
        String(name.lowercased().unicodeScalars.filter { !$0.properties.isWhitespace && $0 != "_" && $0 != "-" })
    }

    /// The step rule that a name may mean: "Euler Karras" is "euler".
    static func rules(of name: String) -> Set<String> { stems(of: name) }
}
