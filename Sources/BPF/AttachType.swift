/// `enum bpf_attach_type`, by the kernel's names, as far as links are made with them.
///
/// The numbers are written out because build machines have older headers than the kernels that
/// Apiary runs on.
public struct AttachType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let cgroupInetEgress = AttachType(rawValue: 1)
    public static let skSkbStreamVerdict = AttachType(rawValue: 5)
    public static let skMsgVerdict = AttachType(rawValue: 7)
    public static let flowDissector = AttachType(rawValue: 17)
    public static let traceRawTracepoint = AttachType(rawValue: 23)
    public static let traceFentry = AttachType(rawValue: 24)
    public static let traceFexit = AttachType(rawValue: 25)
    public static let modifyReturn = AttachType(rawValue: 26)
    public static let lsmMac = AttachType(rawValue: 27)
    public static let traceIter = AttachType(rawValue: 28)
    public static let skLookup = AttachType(rawValue: 36)
    public static let xdp = AttachType(rawValue: 37)
    public static let skSkbVerdict = AttachType(rawValue: 38)
    public static let perfEvent = AttachType(rawValue: 41)
    public static let traceKprobeMulti = AttachType(rawValue: 42)
    public static let lsmCgroup = AttachType(rawValue: 43)
    public static let netfilter = AttachType(rawValue: 45)
    public static let tcxIngress = AttachType(rawValue: 46)
    public static let tcxEgress = AttachType(rawValue: 47)
    public static let traceUprobeMulti = AttachType(rawValue: 48)
    public static let traceKprobeSession = AttachType(rawValue: 56)
    public static let traceUprobeSession = AttachType(rawValue: 57)
    public static let netkitPrimary = AttachType(rawValue: 54)
    public static let netkitPeer = AttachType(rawValue: 55)
}
