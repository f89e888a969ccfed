### What each phase of a start is: what happens, why it costs that, what removes it.
### Keys are made of the runtime's and the phase's name: src/report/phases.rs.

phase-request = The harness asks the launcher, a small process beside it, for a sandbox, and hands over its standard streams.
    .why = Two processes have to wake each other, so the scheduler is in between; on a busy host that is most of it.
    .removes = A harness that starts its sandboxes itself. isobench does not, so that its own size and threads slow no start and a kill of it leaves nothing behind.

phase-clone = The kernel makes a new process: a task, its identity, its own view of files and signals.
    .why = Structures are allocated and set up, and the new process has to be scheduled for the first time.
    .removes = Nothing: also a program without any isolation needs a process. Sharing the memory until exec (CLONE_VFORK) already saves copying page tables.

phase-container-clone = One call makes the process and with it its new namespaces: process numbers, mounts, host name, IPC, network, and without root a user namespace.
    .why = Each namespace is a set of kernel objects. The network namespace alone (a loopback device, tables for routes, firewall and sockets) is about half of it, and the kernel makes them one after the other for the whole host.
    .removes = A wall less: --without net shows the difference. A pool of namespaces made beforehand would take it off the clock, at the price of memory.

phase-standard-streams = Input, output and errors of the program become those that the caller gave.
    .why = Three calls on descriptors.
    .removes = Nothing worth the while.

phase-microvm-standard-streams = A process for the VM's monitor (VMM) is made, becomes a group of its own, and takes its standard streams.
    .why = The monitor is a copy of the launcher, so its page tables are copied and its first writes fault; then it has to be scheduled.
    .removes = A pool of monitors that wait for work, or one process with many VMs, which would weaken the wall between them.

phase-exec = The kernel replaces the process's memory by the program's: it maps the file's parts and sets up the stack.
    .why = The old memory is taken down, the new one built, and the first instructions fault their pages in.
    .removes = Nothing: every program is loaded once. A smaller, static program loads faster.

phase-container-exec = A child process shares the memory of the container's first process until it executes the program; the first process stays as the one that reaps.
    .why = As for any program, and one more process: the first process of a pid namespace has duties that the program does not know of.
    .removes = Running the program as the first process itself; then nobody reaps its orphans, and signals without a handler do not reach it.

phase-container-make-cgroup = A cgroup is made and its limits are written.
    .why = Each controller allocates its counters, one for each CPU; each limit is one more file to write.
    .removes = Making groups beforehand, off the clock. isobench keeps one spare, so this phase is seldom seen.

phase-container-session = The new process starts a session of its own, and asks to die with its launcher.
    .why = A few short calls.
    .removes = Nothing worth the while: without it a container could push characters into the caller's terminal, and outlive its launcher.

phase-container-cgroup = The process joins its cgroup, so that from here on its memory, CPU time and number of processes are accounted and limited.
    .why = Moving a process takes a lock over all groups. Done carelessly, by another process and late, it waits milliseconds for the kernel (an RCU grace period).
    .removes = Being born in the group (CLONE_INTO_CGROUP), which cgroup v2 offers and v1 does not.

phase-container-cgroup-namespace = Its own group becomes the root of what it sees of the cgroup tree.
    .why = One small object.
    .removes = Leaving it out: then the container reads where in the host's tree it is.

phase-container-id-map = User and group numbers inside are mapped to others outside: root in here is nobody special out there.
    .why = Two files in /proc are opened and written.
    .removes = Running as root, which gives up the best wall that a container has.

phase-container-groups = Extra groups of the caller are dropped.
    .why = One call.
    .removes = Nothing: groups left over would open files of the host.

phase-container-host-name = The container gets a host name of its own.
    .why = One call in the new namespace.
    .removes = Nothing worth the while.

phase-container-mounts = Mounts made from here on stay in here, and those of the host do not come in.
    .why = The kernel walks over every mount that was copied: the more the host has, the longer.
    .removes = Fewer mounts on the host.

phase-container-root = A new root file system is mounted: an empty one in memory, or the image's layers stacked by overlayfs.
    .why = A mount is a file system being opened: superblock, root entry, locks over the mount tree.
    .removes = Keeping a file system ready to be bound in. The layers of an image cost little more than an empty root.

phase-container-pivot-root = The new root takes the place of the old one.
    .why = It locks the mount tree, and waits for those who are walking through it.
    .removes = chroot is cheaper and can be escaped from.

phase-container-proc = /proc is mounted, which shows this pid namespace's processes only.
    .why = A file system is opened, and its first entries are made.
    .removes = Leaving /proc out, which few programs stand.

phase-container-dev = A /dev with six harmless devices and a few links.
    .why = Some dozen calls that each make one file.
    .removes = A ready-made /dev that is bound in with one call.

phase-container-files = The program and the files that were asked for appear inside, read-only.
    .why = One mount, and one call to harden it, for each file.
    .removes = A program that is part of the image.

phase-container-old-root = The host's old root is detached: nothing in here leads back to it.
    .why = The whole copied mount tree is taken down, one mount after the other.
    .removes = Fewer mounts on the host.

phase-container-working-directory = The program's working directory is made and entered.
    .why = One call for each folder.
    .removes = Nothing worth the while.

phase-container-no-new-privileges = From here on no program can gain rights by being executed (setuid).
    .why = One bit.
    .removes = Nothing.

phase-container-seccomp = A filter is installed that answers forbidden system calls with an error.
    .why = The kernel checks and translates the filter and tries it for each of some 470 calls, to remember which are always allowed.
    .removes = A shorter filter. isobench's is a binary tree for that reason; a list of comparisons takes twice as long.

phase-container-capabilities = Every right of root is given up.
    .why = One call for each of some 40 capabilities, and one for the sets.
    .removes = Starting without root, where there are none to drop.

phase-microvm-map-memory = Address space for the guest's memory is reserved, and what the guest will need first is mapped.
    .why = The kernel makes mappings and, for what is already filled, pages.
    .removes = Cloning from a snapshot, which shares pages until they are written.

phase-microvm-open-dev-kvm = /dev/kvm is opened.
    .why = One file.
    .removes = A monitor that inherits it open.

phase-microvm-create-vm = KVM makes an empty virtual machine.
    .why = The kernel allocates the VM, its page tables for the guest, locks and a debug folder; a module that notices it first has more to do.
    .removes = A pool of VMs made beforehand.

phase-microvm-memory-slot = KVM is told which of the monitor's memory is the guest's.
    .why = It makes bookkeeping for every page of the slot: the bigger the VM, the longer. isobench starts with 32 MiB and adds the rest when the guest asks.
    .removes = A smaller first slot; huge pages.

phase-microvm-create-vcpu = KVM makes a virtual CPU.
    .why = Its state is allocated, for every feature that a CPU has: registers, local interrupts, counters.
    .removes = A pool of VMs made beforehand.

phase-microvm-cpuid = The virtual CPU is told which features it has.
    .why = KVM checks every leaf and derives what the guest may do. Asking it first what the host can do would be a third of the whole start, so isobench asks once and keeps the answer.
    .removes = Nothing: a CPU without it refuses 64-bit mode.

phase-microvm-registers = Registers, page tables and descriptor tables are set, so that the guest begins in 64-bit mode.
    .why = Three calls.
    .removes = Nothing; a firmware that does the same from real mode takes milliseconds.

phase-microvm-clock = The guest gets the time and fresh random bytes.
    .why = A counter of the virtual CPU is read, and a page is written.
    .removes = A guest that asks for the time when it needs it.

phase-microvm-confine = The monitor gives up nearly every system call and every right, before the guest runs.
    .why = A filter is checked and installed, as in a container.
    .removes = Nothing that one should want: it is the second wall, for the day when a guest breaks through the first.

phase-microvm-run = The guest runs: its kernel starts, loads nothing (the monitor has), and enters the program; then the program itself.
    .why = The first instructions fault in every page they touch, through two sets of page tables; on a software KVM each privileged instruction is emulated as well.
    .removes = A snapshot of a guest that has started already.

phase-microvm-report = After the program's end the monitor writes down what KVM counted.
    .why = Files of counters are read.
    .removes = Not counting. It comes after the exit, so no start is slower for it.
