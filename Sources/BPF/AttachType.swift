/// `enum bpf_attach_type`, by the kernel's names, as far as links are made with them.
///
/// The numbers are written out because build machines have older headers than the kernels that
/// Apiary runs on.
public struct AttachType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    static let cgroupInetEgress = AttachType(rawValue: 1)
    static let skSkbStreamVerdict = AttachType(rawValue: 5)
    static let skMsgVerdict = AttachType(rawValue: 7)
    static let flowDissector = AttachType(rawValue: 17)
    static let traceRawTracepoint = AttachType(rawValue: 23)
    static let traceFentry = AttachType(rawValue: 24)
    static let traceFexit = AttachType(rawValue: 25)
    static let modifyReturn = AttachType(rawValue: 26)
    static let lsmMac = AttachType(rawValue: 27)
    static let traceIter = AttachType(rawValue: 28)
    static let skLookup = AttachType(rawValue: 36)
    static let xdp = AttachType(rawValue: 37)
    static let skSkbVerdict = AttachType(rawValue: 38)
    static let perfEvent = AttachType(rawValue: 41)
    static let traceKprobeMulti = AttachType(rawValue: 42)
    static let lsmCgroup = AttachType(rawValue: 43)
    static let netfilter = AttachType(rawValue: 45)
    static let tcxIngress = AttachType(rawValue: 46)
    static let tcxEgress = AttachType(rawValue: 47)
    static let traceUprobeMulti = AttachType(rawValue: 48)
    static let netkitPrimary = AttachType(rawValue: 54)
    static let netkitPeer = AttachType(rawValue: 55)
}
