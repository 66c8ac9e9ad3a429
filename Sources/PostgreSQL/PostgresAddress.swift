import CPostgreSQL

/// Where a database is: a URL (`postgres://user@host:port/database?sslmode=require`) or words such as
/// `host=/run/postgresql dbname=phasor`. libpq adds what its environment variables and files say ($PGPASSWORD,
/// ~/.pgpass). Only host and database are ever shown.
package struct PostgresAddress: Sendable, CustomStringConvertible {
    /// May hold a password.
    let text: String
    package let description: String

    /// - Throws: `PostgresFault` for what is no address. Its text does not repeat the address.
    package init(_ text: String) throws(PostgresFault) {
        self.text = text
        let isURL = text.hasPrefix("postgres://") || text.hasPrefix("postgresql://")
        guard !text.utf8.contains(0), isURL || text.utf8.contains(UInt8(ascii: "=")),
            let options = PQconninfoParse(text, nil)
        else { throw PostgresFault("--store", "it is no address of a PostgreSQL database") }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        let host = values["host"] ?? values["hostaddr"] ?? "localhost"
        let port = values["port"].map { ":\($0)" } ?? ""
        description = "postgres://\(host)\(port)/\(values["dbname"] ?? values["user"] ?? "")"
    }
}
