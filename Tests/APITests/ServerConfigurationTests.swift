import API
import Foundation
import Testing

@Suite struct ServerConfigurationTests {
    private func file(_ text: String) throws -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString).json")
        try Data(text.utf8).write(to: url)
        return url.path
    }

    @Test func environmentGoesBeforeTheFile() throws {
        var configuration = ServerConfiguration()
        try configuration.apply(
            file: file(
                #"{"host":"0.0.0.0","port":9000,"queue":3,"request_log":true,"cors_origins":["https://a.example"]}"#))
        try configuration.apply(environment: [
            "PHASOR_PORT": "9001", "PHASOR_IDLE": "2.5", "PHASOR_CORS_ORIGINS": "https://b.example, https://c.example",
            "PHASOR_ISA": "plain", "PATH": "/bin",
        ])
        var expected = ServerConfiguration()
        expected.host = "0.0.0.0"
        expected.port = 9001
        expected.queue = 3
        expected.requestLog = true
        expected.idle = 2.5
        expected.corsOrigins = ["https://b.example", "https://c.example"]
        #expect(configuration == expected)
    }

    /// A pod beside a service `phasor` has these variables, whoever wrote its manifest.
    @Test func variablesOfKubernetesAreNoSettings() throws {
        var configuration = ServerConfiguration()
        try configuration.apply(environment: [
            "PHASOR_PORT": "tcp://10.96.0.7:80", "PHASOR_SERVICE_HOST": "10.96.0.7", "PHASOR_SERVICE_PORT": "80",
            "PHASOR_PORT_80_TCP": "tcp://10.96.0.7:80", "PHASOR_PORT_80_TCP_PROTO": "tcp", "PHASOR_QUEUE": "3",
        ])
        var expected = ServerConfiguration()
        expected.queue = 3
        #expect(configuration == expected)
    }

    /// What is printed is a file that sets the same again.
    @Test func printedConfigurationReadsBack() throws {
        var configuration = ServerConfiguration()
        configuration.state = "/var/lib/phasor"
        configuration.apiKeys = "/etc/phasor/keys"
        configuration.page = "/srv/page"
        configuration.port = 0
        configuration.requestLog = true
        configuration.drain = 0
        configuration.retentionDays = 1.5
        configuration.memory = "12GB"
        configuration.load = "read"
        var again = ServerConfiguration()
        try again.apply(file: file(configuration.printed()))
        #expect(again == configuration)
    }

    @Test(arguments: [
        (#"{"prot": 1}"#, ["unknown key 'prot'", "port"]), ("[]", ["not a JSON object"]), ("{", ["not a JSON object"]),
        (#"{"port": 70000}"#, ["'port' is 70000", "0 to 65535"]), (#"{"port": "80"}"#, ["'port'", "integer"]),
        (#"{"port": true}"#, ["'port'", "integer"]), (#"{"port": 80.5}"#, ["'port'", "integer"]),
        (#"{"queue": 0}"#, ["'queue' is 0"]), (#"{"request_log": 1}"#, ["'request_log'", "true or false"]),
        (#"{"host": ""}"#, ["'host'"]), (#"{"cors_origins": "a"}"#, ["'cors_origins'", "list"]),
        (#"{"idle": -1}"#, ["'idle' is -1"]), (#"{"state": null}"#, ["'state'"]),
        (#"{"memory": "12 apples"}"#, ["'memory'", "12GB"]), (#"{"load": "magic"}"#, ["'load'", "mmap or read"]),
    ]) func wrongFileNamesTheKey(text: String, words: [String]) throws {
        var configuration = ServerConfiguration()
        let path = try file(text)
        let fault = #expect(throws: ServerConfiguration.Fault.self) { try configuration.apply(file: path) }
        let message = try #require(fault).description
        for word in [path] + words { #expect(message.contains(word), "\(message)") }
    }

    @Test(arguments: [
        ("PHASOR_PORT", "http"), ("PHASOR_PORT", "tcp:80"), ("PHASOR_QUEUE", "tcp://10.96.0.7:80"),
        ("PHASOR_REQUEST_LOG", "yes"), ("PHASOR_DRAIN", "nan"), ("PHASOR_HOST", ""),
    ])
    func wrongVariableIsNamed(name: String, value: String) throws {
        var configuration = ServerConfiguration()
        let fault = #expect(throws: ServerConfiguration.Fault.self) {
            try configuration.apply(environment: [name: value])
        }
        #expect(try #require(fault).description.contains(name))
    }
}
