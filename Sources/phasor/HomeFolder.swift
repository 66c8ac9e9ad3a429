import Foundation

/// The user's own folder, as shells know it: `$HOME`, and only without it what the system's list of users says. Containers
/// often have an account that is in no list.
enum HomeFolder {
    static var path: String {
        if let home = ProcessInfo.processInfo.environment["HOME"], home.hasPrefix("/") { return home }
        return FileManager.default.homeDirectoryForCurrentUser.path
    }

    /// A path with `~` at its beginning replaced. Shells do so for words of their own, but neither in quotes, nor in
    /// `--flag=~/x`, nor in unit files, nor in settings.
    static func expand(_ path: String) -> String {
        guard path == "~" || path.hasPrefix("~/") else { return path }
        return self.path + path.dropFirst()
    }
}
