internal import ArgumentParser
internal import ControlPlane
internal import Linux
internal import Registry

/// `apiary verify`: the registry against the kernel, from outside.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold the registry against the kernel, from outside; change nothing.",
        discussion: """
            Prints a line for each thing that is not as it must be. Exit status 0: all is well; 1: \
            something is wrong; 2: it could not be looked at. A daemon may run or not.
            """)

    @OptionGroup var options: ServeOptions

    @Flag(name: .long, help: "Changes that have not come to their end are wrong too.")
    var settled = false

    @Flag(name: .long, help: "Only say what is wrong.")
    var quiet = false

    func run() throws {
        let configuration = try Configuration(options)
        let found: Verification
        do {
            found = try Verification.run(
                stateDirectory: configuration.text("state_dir"),
                bpffsDirectory: configuration.text("bpffs"))
        } catch let error as RegistryError {
            print("error: \(configuration.text("state_dir"))/registry.sqlite: \(error.reason)")
            throw ExitCode(2)
        } catch {
            print("error: \(error)")
            throw ExitCode(2)
        }
        let isWrong: (Verification.Finding) -> Bool = {
            $0.weight == .wrong || settled && $0.weight == .unfinished
        }
        for finding in found.findings where isWrong(finding) || !quiet {
            print("\(finding.weight.rawValue): \(finding.subject): \(finding.text)")
        }
        let wrong = found.findings.count(where: isWrong)
        if wrong > 0 {
            print("\(wrong) wrong")
            throw ExitCode(1)
        }
        if !quiet {
            print("ok: \(found.programs) programs, \(found.probes) probes, \(found.links) links")
        }
    }
}
