/* The types of the seeds in corpus/btf and corpus/values. Made anew with
 *   clang -g -target bpf -c seeds.c -o /tmp/seeds.o -D SEED_scalars
 *   llvm-objcopy --dump-section .BTF=corpus/btf/scalars /tmp/seeds.o
 * and so on for each SEED_. Those of corpus/values have a document and a NUL before the blob.
 */
#ifdef SEED_scalars
struct scalars {
    unsigned char u8; signed char s8; unsigned short u16; int s32; unsigned long long u64;
    _Bool yes; float single; double twice; void *pointer; char text[8]; unsigned char bytes[6];
} one;
#endif
#ifdef SEED_bitfields
struct bits { unsigned a : 3; int b : 7; unsigned long long c : 40; unsigned : 0; _Bool d : 1; } one;
#endif
#ifdef SEED_unions
struct nested {
    union { int number; struct { short low; unsigned short high; }; };
    struct { union { float single; unsigned char raw[4]; } inner; } array[2][3];
} one;
#endif
#ifdef SEED_enums
enum small { LOW = -1, ZERO, HIGH = 7 };
enum wide { FAR = 0x1ffffffffULL, NEAR = 1 };
typedef enum small alias;
typedef const alias again;
struct enums { enum small small; again more[2]; enum wide wide; } one;
#endif
#ifdef SEED_flexible
struct tail { unsigned size; struct { unsigned long long address; } frames[]; };
struct tail *one;
#endif
#ifdef SEED_kernel
#define kptr __attribute__((btf_type_tag("kptr")))
struct bpf_spin_lock { unsigned val; };
struct bpf_timer { unsigned long long opaque[2]; };
struct task_struct;
struct kernel { struct bpf_spin_lock lock; struct bpf_timer timer; struct task_struct kptr *task; } one;
#endif
#ifdef SEED_tags
#define tag(text) __attribute__((btf_decl_tag(text)))
struct tags {
    unsigned address tag("apiary:ipv4"); unsigned char six[16] tag("apiary:ipv6");
    unsigned char mac[6] tag("apiary:mac"); unsigned short port tag("apiary:big_endian");
    unsigned long long slots[16] tag("apiary:log2");
} one;
#endif
int main_of_seed(void) { return 0; }
