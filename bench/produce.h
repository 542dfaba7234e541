// What produce.bpf.c and trigger.c agree on.
#pragma once

// No such system call exists; sys_enter fires for it all the same, and nobody else makes it.
#define PRODUCE_SYSCALL 0x1eaf
// The most records that one call can ask for.
#define PRODUCE_BURST 64
