// libmicrohttpd, and the few calls around it that Swift cannot import: variadic functions, and
// headers that the Glibc module leaves out.
#pragma once
#include <linux/sockios.h>
#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

/// MHD_get_connection_info, which is variadic for types that are not asked for here.
static inline const union MHD_ConnectionInfo *apiary_mhd_connection_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type) {
    return MHD_get_connection_info(connection, type);
}

/// Bytes that the other end of a connected socket has not acknowledged (SIOCOUTQ), or -1.
static inline int apiary_unsent_bytes(int descriptor) {
    int unsent = 0;
    return ioctl(descriptor, SIOCOUTQ, &unsent) == 0 ? unsent : -1;
}
