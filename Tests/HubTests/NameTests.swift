import Hub
import Testing

@Suite struct NameTests {
    @Test func namesHaveRevisionsAndFiles() throws {
        let plain = try RepositoryName("Wan-AI/Wan2.2-T2V-A14B")
        #expect(plain.id == "Wan-AI/Wan2.2-T2V-A14B" && plain.revision == "main" && plain.file == nil)
        let file = try RepositoryName("a/b@refs/x", revision: nil)
        // What follows the second slash is a file; a revision with a slash is given by itself.
        #expect(file.revision == "refs" && file.file == "x")
        #expect(try RepositoryName("a/b", revision: "refs/pr/1").revision == "refs/pr/1")
        #expect(try RepositoryName("a/b/c/d.gguf").file == "c/d.gguf")
        #expect(try RepositoryName("a/b@v1").description == "a/b@v1")
    }

    @Test(arguments: [
        "a", "", "a/", "/b", "a//b", "../b", "a/..", "a/.b", "a/b-", "a/b--c", "a b/c", "a/b@", "a/b@../x", "a/b@-x",
        "a/b/../c", "a/b//c", "a/b/./c", "a/b/c\u{0}", "a/b/c\\d", "a/b\n", "a/é",
    ])
    func strangeNamesAreRefused(text: String) {
        #expect(throws: HubError.self) { try RepositoryName(text) }
        #expect(!RepositoryName.isLikely(text))
    }

    @Test func pathsOfFoldersAreNoNames() {
        for text in ["./a/b", "~/a", "/srv/models"] { #expect(!RepositoryName.isLikely(text)) }
        #expect(RepositoryName.isLikely("stabilityai/sdxl-turbo"))
    }

    @Test(arguments: [
        ("../x", "elsewhere"), ("a/../../x", "elsewhere"), ("/etc/passwd", "empty part"), ("a//b", "empty part"),
        ("", "empty part"), ("a/", "empty part"), (".", "elsewhere"), ("a\u{7F}", "character"), ("a\nb", "character"),
        ("a\\b", "character"), (String(repeating: "a/", count: 40) + "b", "deep"),
        (String(repeating: "a", count: 300), "bytes"),
    ])
    func pathsThatLeadElsewhereAreRefused(path: String, word: String) {
        let error = #expect(throws: HubError.self) { try RemotePath.check(path) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word))
    }

    @Test func ordinaryPathsPass() throws {
        for path in ["a", "a/b.json", "..a", "a/...", "é/日本.gguf"] { try RemotePath.check(path) }
    }

    @Test func patternsMatch() {
        #expect(RemotePath.matches("a/b.gguf", "a/b.gguf"))
        #expect(RemotePath.matches("a/b.gguf", "a"))
        #expect(RemotePath.matches("a/b.gguf", "a/"))
        #expect(!RemotePath.matches("ab/c", "a"))
        #expect(RemotePath.matches("High/x-Q4_K_M.gguf", "*Q4_K_M*"))
        #expect(RemotePath.matches("x-Q4_K_M.gguf", "x*K*.gguf"))
        #expect(!RemotePath.matches("x-Q4_K_M.gguf.part", "*.gguf"))
        #expect(RemotePath.matches("aaab", "*a*b") && !RemotePath.matches("aaa", "*a*b"))
    }

    @Test func settingsComeFromTheEnvironment() throws {
        let usual = try HubSettings(environment: [:], home: "/home/x")
        #expect(usual.endpoint == "https://huggingface.co" && usual.cache == "/home/x/.cache/huggingface/hub")
        #expect(usual.token == nil && !usual.isOffline)
        let set = try HubSettings(
            environment: [
                "HF_ENDPOINT": "http://mirror:8000/hf/", "HF_TOKEN": " t \n", "HF_HOME": "/h",
                "HF_HUB_OFFLINE": "true",
            ], home: "/home/x")
        #expect(set.endpoint == "http://mirror:8000/hf" && set.cache == "/h/hub" && set.token == "t" && set.isOffline)
        #expect(try HubSettings(environment: ["XDG_CACHE_HOME": "/c"], home: "/x").cache == "/c/huggingface/hub")
        #expect(try HubSettings(environment: ["HF_HUB_CACHE": "~/h"], home: "/x").cache == "/x/h")
        for wrong in [
            ["HF_ENDPOINT": "ftp://x"], ["HF_ENDPOINT": "huggingface.co"], ["HF_TOKEN": "a\r\nX-Other: b"],
        ] {
            #expect(throws: HubError.self) { try HubSettings(environment: wrong, home: "/x") }
        }
    }
}
