public import BPF
public import Loading
public import Registry

// The words of the rooms below that the API needs, so that it depends on none of them.

public typealias AuditFilter = Registry.AuditFilter
public typealias AuditRow = Registry.AuditRow
public typealias ChangeOrigin = Registry.ChangeOrigin
public typealias KeptObject = Registry.ObjectRow
public typealias KernelObjectKind = BPF.KernelObjectKind
public typealias LinkDetails = BPF.LinkDetails
public typealias LoadedInfo = BPF.ProgramInfo
public typealias VerifierLogLevel = Loading.LoadRequest.VerifierLog
