// A guest that attacks its VMM: a kernel of its own, which is entered in 64-bit mode as Linux is
// (Documentation/arch/x86/boot.rst, "64-bit boot protocol"), with interrupts off.
//
// Which attack it makes is an argument of the "program" that the VMM is told to run: `attack=NAME`, found in
// the initramfs. It tells on the serial port what it does. What ends it is said where it is written.
//
// The flags file beside it tells how to compile it.
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

// ---- the machine ----------------------------------------------------------------------------------------

enum { SERIAL = 0x3f8, KEYBOARD = 0x64, RESET = 0xcf9, DOORBELL = 0x510, POWER = 0x600 };

static void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "d"(port) : "memory"); }
static void out16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "d"(port) : "memory"); }
static void out32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory"); }

static u32 in(u16 port, int width) {
    u32 value = 0;
    if (width == 1) asm volatile("inb %1, %b0" : "+a"(value) : "d"(port) : "memory");
    else if (width == 2) asm volatile("inw %1, %w0" : "+a"(value) : "d"(port) : "memory");
    else asm volatile("inl %1, %0" : "=a"(value) : "d"(port) : "memory");
    return value;
}

static void call_vmm(u32 number, u64 block) {
    asm volatile("outl %0, %1" : : "a"(number), "d"((u16)DOORBELL), "D"(block) : "memory");
}

static void say(const char *text) {
    while (*text) out8(SERIAL, *text++);
}

static void say_number(u64 number) {
    for (int shift = 60; shift >= 0; shift -= 4) out8(SERIAL, "0123456789abcdef"[number >> shift & 15]);
}

// Marsaglia's xorshift: the same attack every time.
static u64 seed = 88172645463325252ull;

static u64 chance(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

// Two halves of addresses: physical memory up to 4 GiB as it is, and one window of 2 MiB on anything.
static u64 root[512] __attribute__((aligned(4096)));
static u64 low[512] __attribute__((aligned(4096)));
static u64 pages[4][512] __attribute__((aligned(4096)));
static u64 high[512] __attribute__((aligned(4096)));
static u64 window[512] __attribute__((aligned(4096)));
// The VMM believes only what a program could read, so all is a program's.
enum { PRESENT = 1, WRITABLE = 2 | 4, LARGE = 1 << 7 };

static void map_memory(void) {
    root[0] = (u64)low | PRESENT | WRITABLE;
    root[256] = (u64)high | PRESENT | WRITABLE;
    high[0] = (u64)window | PRESENT | WRITABLE;
    for (u64 gigabyte = 0; gigabyte < 4; gigabyte++) {
        low[gigabyte] = (u64)pages[gigabyte] | PRESENT | WRITABLE;
        for (u64 page = 0; page < 512; page++)
            pages[gigabyte][page] = gigabyte << 30 | page << 21 | PRESENT | WRITABLE | LARGE;
    }
    asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}

static volatile u8 *at(u64 physical) {
    if (physical < 4ull << 30) return (volatile u8 *)physical;
    volatile u8 *address = (volatile u8 *)0xffff800000000000ull;
    window[0] = (physical & ~0x1fffffull) | PRESENT | WRITABLE | LARGE;
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
    return address + (physical & 0x1fffff);
}

static u32 read32(u64 physical) { return *(volatile u32 *)at(physical); }
static void write32(u64 physical, u32 value) { *(volatile u32 *)at(physical) = value; }

static int address_bits(void) {
    u32 a = 0x80000008, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return a & 0xff;
}

// ---- ports ----------------------------------------------------------------------------------------------

// Every port, in every width. Not those that end a PC, and not the VMM's own: the next attacks are for those.
static void attack_ports(void) {
    for (u32 port = 0; port < 0x10000; port++) {
        if ((port & ~7) == SERIAL || (port & ~7) == (KEYBOARD & ~7) || (port & ~3) == (RESET & ~3)) continue;
        if ((port & ~3) == (DOORBELL & ~3) || (port & ~3) == POWER) continue;
        u64 value = chance();
        out8(port, value);
        in(port, 1);
        if (port % 16) continue;
        out16(port, value);
        out32(port, value);
        in(port, 2);
        in(port, 4);
    }
}

// The serial port's other registers, with whatever values, and all it can print.
static void attack_serial(void) {
    for (int round = 0; round < 5000; round++) {
        u16 port = SERIAL + 1 + chance() % 7;
        out8(port, chance());
        in(port, 1);
        in(SERIAL, 1);
    }
    out8(SERIAL + 3, 3);
    out8(SERIAL + 1, 0);
    for (int byte = 1; byte < 256; byte++) out8(SERIAL, byte);
    say("\n");
}

// The VMM's own calls: every number but those that end a VM, with whatever arguments.
static void attack_calls(void) {
    static u64 block[4];
    static const u64 wild[] = {0, 1, 0x1000, 1ull << 30, 4ull << 30, 1ull << 46, 0x7fffffffffff, 0x800000000000,
                               0xffff800000000000, 0xfffffffffffffff8, 0xffffffffffffffff};
    enum { WILD = sizeof wild / sizeof *wild };
    for (int round = 0; round < 3000; round++) {
        // Those that do not end the guest (guest/abi/src/linux.rs). Reading would wait for input.
        static const u32 calls[] = {0x100, 0x101, 0x102, 0x106};
        for (int argument = 0; argument < 3; argument++)
            block[argument] = chance() % 2 ? wild[chance() % WILD] : chance();
        call_vmm(calls[chance() % 4], (u64)block);
    }
}

// A block of arguments that is nowhere. Ends the VM.
static void attack_block(void) { call_vmm(0x102, 0x7ffffffff000); }

// A call that there is not. Ends the VM.
static void attack_unknown_call(void) { call_vmm(0xdeadbeef, 0); }

// ---- memory ---------------------------------------------------------------------------------------------

static void touch(u64 physical) {
    read32(physical);
    write32(physical, chance());
}

// Memory that is not there: above what the guest has, every 64 KiB of the hole below 4 GiB, around every power
// of two, and at random.
static void attack_memory(void) {
    for (u64 physical = 3ull << 30; physical < 4ull << 30; physical += 64 << 10) {
        // Not the interrupt controllers': KVM answers for those.
        if (physical >> 20 == 0xfec || physical >> 20 == 0xfee) continue;
        // Not the virtio devices': that is another attack.
        if (physical >> 20 == 0xd00) continue;
        touch(physical);
    }
    int bits = address_bits();
    for (int bit = 32; bit < bits; bit++)
        for (int side = -1; side <= 1; side++) touch((1ull << bit) + side * 4096);
    for (int round = 0; round < 3000; round++) {
        u64 physical = chance() >> (64 - bits) & ~4095ull;
        if (physical >= 4ull << 30) touch(physical + chance() % 1024 * 4);
    }
}

// ---- virtio ---------------------------------------------------------------------------------------------

enum {
    MAGIC = 0x00, FEATURES = 0x10, FEATURES_HALF = 0x14, ACCEPTED = 0x20, ACCEPTED_HALF = 0x24, QUEUE = 0x30,
    QUEUE_MOST = 0x34, QUEUE_SIZE = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70,
    DESCRIPTORS_LOW = 0x80, AVAILABLE_LOW = 0x90, USED_LOW = 0xa0
};
enum { NEXT = 1, WRITE = 2, INDIRECT = 4, MOST_QUEUES = 8, SIZE = 16 };

struct descriptor { u64 address; u32 bytes; u16 flags, next; };
struct queue {
    struct descriptor descriptors[256];
    u16 available[2048];
    u32 used[1024];
} __attribute__((aligned(4096)));
static struct queue queues[MOST_QUEUES];
static struct descriptor table[2048];
static u8 buffer[4096] __attribute__((aligned(4096)));

static u64 first_device(void) {
    for (u64 device = 0xd0000000; device < 0xd0010000; device += 0x1000)
        if (read32(device + MAGIC) == 0x74726976) return device;
    return 0;
}

// As a good driver does. Returns how many queues there are.
static int set_up(u64 device) {
    for (u32 status = 0; status < 4; status = 2 * status + 1) write32(device + STATUS, status);
    for (u32 half = 0; half < 2; half++) {
        write32(device + FEATURES_HALF, half);
        write32(device + ACCEPTED_HALF, half);
        write32(device + ACCEPTED, read32(device + FEATURES));
    }
    write32(device + STATUS, 11);
    int count = 0;
    for (; count < MOST_QUEUES; count++) {
        write32(device + QUEUE, count);
        u32 most = read32(device + QUEUE_MOST);
        if (!most) break;
        write32(device + QUEUE_SIZE, most < SIZE ? most : SIZE);
        write32(device + DESCRIPTORS_LOW, (u64)queues[count].descriptors);
        write32(device + AVAILABLE_LOW, (u64)queues[count].available);
        write32(device + USED_LOW, (u64)queues[count].used);
        write32(device + QUEUE_READY, 1);
    }
    write32(device + STATUS, 15);
    return count;
}

// The last queue is one by which the device is given something, in a console as in a disk.
static void offer(u64 device, struct descriptor descriptor) {
    int queue = set_up(device) - 1;
    queues[queue].descriptors[0] = descriptor;
    queues[queue].available[1]++;
    write32(device + NOTIFY, queue);
}

// Each of these breaks the rules of the queue. Ends the VM.
static void attack_circle(u64 device) { offer(device, (struct descriptor){(u64)buffer, 16, NEXT, 0}); }
static void attack_outside(u64 device) { offer(device, (struct descriptor){1ull << 45, 16, 0, 0}); }
static void attack_around(u64 device) { offer(device, (struct descriptor){~0ull, 16, 0, 0}); }
static void attack_huge(u64 device) { offer(device, (struct descriptor){0, ~0u, 0, 0}); }
static void attack_nowhere(u64 device) { offer(device, (struct descriptor){(u64)buffer, 16, NEXT, 999}); }

static void attack_table(u64 device) {
    for (int entry = 0; entry < 2048; entry++) table[entry] = (struct descriptor){(u64)buffer, 1, NEXT, 1};
    offer(device, (struct descriptor){(u64)table, sizeof table, INDIRECT, 0});
}

static void attack_index(u64 device) {
    int queue = set_up(device) - 1;
    queues[queue].available[1] = 0x7fff;
    write32(device + NOTIFY, queue);
}

static void attack_queue_outside(u64 device) {
    write32(device + STATUS, 0);
    write32(device + ACCEPTED_HALF, 1);
    write32(device + ACCEPTED, 1);
    write32(device + STATUS, 11);
    write32(device + DESCRIPTORS_LOW, 0xc0000000);
    write32(device + QUEUE_READY, 1);
}

static void attack_queue_size(u64 device) {
    write32(device + STATUS, 0);
    write32(device + ACCEPTED_HALF, 1);
    write32(device + ACCEPTED, 1);
    write32(device + STATUS, 11);
    write32(device + QUEUE_SIZE, 3);
}

// Every register, in every width, with whatever value, and queues of random content; over and over, with resets
// in between. It may end the VM.
static void attack_chaos(u64 device) {
    for (int round = 0; round < 300; round++) {
        int count = set_up(device);
        for (int write = 0; write < 64; write++)
            ((volatile u8 *)queues)[chance() % sizeof queues] = chance() % 3 ? chance() % 17 : chance();
        for (int act = 0; act < 20; act++) {
            u64 place = device + chance() % 0x200;
            switch (chance() % 8) {
            case 0: *(volatile u8 *)place = chance(); break;
            case 1: *(volatile u16 *)(place & ~1ull) = chance(); break;
            case 2: *(volatile u64 *)(place & ~7ull) = chance(); break;
            case 3: write32(place & ~3ull, chance() % 20); break;
            case 4: (void)*(volatile u64 *)(place & ~7ull); break;
            default: write32(device + NOTIFY, chance() % (count + 1)); break;
            }
        }
    }
}

// ---- which one ------------------------------------------------------------------------------------------

static const struct { const char *name; void (*make)(void); } plain[] = {
    {"ports", attack_ports}, {"serial", attack_serial}, {"calls", attack_calls},
    {"block", attack_block}, {"unknown-call", attack_unknown_call}, {"memory", attack_memory},
};
static const struct { const char *name; void (*make)(u64); } on_device[] = {
    {"circle", attack_circle}, {"outside", attack_outside}, {"around", attack_around}, {"huge", attack_huge},
    {"nowhere", attack_nowhere}, {"table", attack_table}, {"index", attack_index},
    {"queue-outside", attack_queue_outside}, {"queue-size", attack_queue_size}, {"chaos", attack_chaos},
};

static int starts(const u8 *text, const char *with) {
    while (*with)
        if (*text++ != (u8)*with++) return 0;
    return 1;
}

static int is(const u8 *text, const char *name) {
    size_t length = 0;
    while (name[length]) length++;
    return starts(text, name) && !text[length];
}

static const u8 *find_attack(const u8 *boot_params) {
    u64 start = *(const u32 *)(boot_params + 0x218), bytes = *(const u32 *)(boot_params + 0x21c);
    for (u64 place = start; place + 8 < start + bytes; place++)
        if (starts((const u8 *)place, "attack=")) return (const u8 *)place + 7;
    return (const u8 *)"";
}

void attack(const u8 *boot_params) {
    map_memory();
    const u8 *name = find_attack(boot_params);
    say("hostile guest: ");
    say((const char *)name);
    say("\n");
    for (size_t index = 0; index < sizeof plain / sizeof *plain; index++)
        if (is(name, plain[index].name)) plain[index].make();
    for (size_t index = 0; index < sizeof on_device / sizeof *on_device; index++) {
        if (!is(name, on_device[index].name)) continue;
        u64 device = first_device();
        say(device ? "device at " : "no device ");
        say_number(device);
        say("\n");
        if (device) on_device[index].make(device);
    }
    say("hostile guest: survived\n");
    // A PC's reset, as Linux makes it (`reboot=k`).
    for (;;) out8(KEYBOARD, 0xfe);
}

static u8 stack[16384] __attribute__((aligned(16), used));
asm(".globl _start\n_start: lea stack+16384(%rip), %rsp\n mov %rsi, %rdi\n call attack\n ud2");
