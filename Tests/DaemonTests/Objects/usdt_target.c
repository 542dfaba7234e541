// A process with static places: for each line that it reads it passes them with known arguments.
// The notes are written out, as systemtap's <sys/sdt.h> would: the machines have it not.
#include <stdio.h>
#include <unistd.h>

// Counted up by the kernel while somebody looks; in `.probes` as the convention has it.
__attribute__((section(".probes"), used)) unsigned short apiary_test_counted_semaphore = 0;

#define NOTE(name, semaphore, arguments)                                       \
    "990: nop\n"                                                               \
    ".pushsection .note.stapsdt,\"?\",\"note\"\n"                              \
    ".balign 4\n"                                                              \
    ".4byte 992f-991f, 994f-993f, 3\n"                                         \
    "991: .asciz \"stapsdt\"\n"                                                \
    "992: .balign 4\n"                                                         \
    "993: .8byte 990b\n"                                                       \
    ".8byte _.stapsdt.base\n"                                                  \
    ".8byte " semaphore "\n"                                                   \
    ".asciz \"apiary_test\"\n"                                                 \
    ".asciz \"" name "\"\n"                                                    \
    ".asciz \"" arguments "\"\n"                                               \
    "994: .balign 4\n"                                                         \
    ".popsection\n"                                                            \
    ".ifndef _.stapsdt.base\n"                                                 \
    ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"    \
    ".weak _.stapsdt.base\n"                                                   \
    ".hidden _.stapsdt.base\n"                                                 \
    "_.stapsdt.base: .space 1\n"                                               \
    ".size _.stapsdt.base, 1\n"                                                \
    ".popsection\n"                                                            \
    ".endif\n"

#if defined(__x86_64__)
#define ARGUMENTS "8@%0 -4@%1 -4@%2 4@$5"
#else
#define ARGUMENTS "8@%0 -4@%w1 -4@%2 4@5"
#endif

__attribute__((noinline)) static void pass(long number)
{
    volatile int in_memory = -7;
    __asm__ volatile(NOTE("mark", "0", ARGUMENTS)
                     : : "r"(number), "r"((int)-number), "m"(in_memory));
    __asm__ volatile(NOTE("counted", "apiary_test_counted_semaphore", "8@%0") : : "r"(number));
}

__attribute__((noinline)) static void pass_again(long number)
{
    __asm__ volatile(NOTE("mark", "0", "8@%0") : : "r"(number + 1000));
}

int main(void)
{
    char line[64];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long number = 1; fgets(line, sizeof line, stdin); number++) {
        pass(number);
        if (line[0] == 'a') pass_again(number);
        printf("%u\n", apiary_test_counted_semaphore);
    }
    return 0;
}
