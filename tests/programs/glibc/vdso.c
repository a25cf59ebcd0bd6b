// title: The auxiliary vector and the vDSO: its symbols with versions, called; where handlers return to.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static char *vdso;
static Elf32_Sym *symtab;
static char *strtab;
static Elf32_Half *versym;
static Elf32_Verdef *verdef;
static Elf32_Word *hash;

static unsigned elf_hash(const char *name)
{
    unsigned h = 0, g;
    while (*name) {
        h = (h << 4) + *name++;
        if ((g = h & 0xf0000000))
            h ^= g >> 24;
        h &= ~g;
    }
    return h;
}

static const char *version(int index)
{
    Elf32_Verdef *def = verdef;
    while (def->vd_ndx != (index & 0x7fff))
        def = (void *)((char *)def + def->vd_next);
    Elf32_Verdaux *aux = (void *)((char *)def + def->vd_aux);
    return def->vd_hash == elf_hash(strtab + aux->vda_name) ? strtab + aux->vda_name : "wrong hash";
}

static void *look_up(const char *name)
{
    for (unsigned i = hash[2 + elf_hash(name) % hash[0]]; i; i = hash[2 + hash[0] + i])
        if (!strcmp(strtab + symtab[i].st_name, name)) {
            printf("%s@@%s\n", name, version(versym[i]));
            return vdso + symtab[i].st_value;
        }
    printf("%s is not there\n", name);
    return 0;
}

static void handler(int sig)
{
    unsigned *frame = __builtin_frame_address(0);
    printf("signal %d returns to the vDSO: %d\n", sig, (char *)(frame[1] & -4096) == vdso);
}

int main(int argc, char **argv, char **envp)
{
    while (*envp)
        envp++;
    for (Elf32_auxv_t *av = (void *)(envp + 1); av->a_type; av++)
        printf("%d ", av->a_type);
    printf("\nplatform %s, clock ticks %lu, secure %lu, rseq %lu %lu, hwcap2 %lu, room for a frame %d\n",
           (char *)getauxval(AT_PLATFORM), getauxval(AT_CLKTCK), getauxval(AT_SECURE), getauxval(27),
           getauxval(28), getauxval(AT_HWCAP2) & 1, getauxval(51) >= 1440);

    vdso = (char *)getauxval(AT_SYSINFO_EHDR);
    Elf32_Ehdr *header = (void *)vdso;
    Elf32_Phdr *ph = (void *)(vdso + header->e_phoff);
    printf("%.3s type %d machine %d\n", vdso + 1, header->e_type, header->e_machine);
    for (int i = 0; i < header->e_phnum; i++)
        if (ph[i].p_type == PT_DYNAMIC)
            for (Elf32_Dyn *d = (void *)(vdso + ph[i].p_offset); d->d_tag; d++) {
                void *at = vdso + d->d_un.d_ptr;
                switch (d->d_tag) {
                case DT_HASH: hash = at; break;
                case DT_SYMTAB: symtab = at; break;
                case DT_STRTAB: strtab = at; break;
                case DT_VERSYM: versym = at; break;
                case DT_VERDEF: verdef = at; break;
                }
            }
    void *vsyscall = look_up("__kernel_vsyscall");
    printf("AT_SYSINFO is it: %d; entry, too: %d\n", (void *)getauxval(AT_SYSINFO) == vsyscall,
           vdso + header->e_entry == (char *)vsyscall);
    look_up("__kernel_sigreturn");
    look_up("__kernel_rt_sigreturn");
    int (*clock_get)(int, void *) = look_up("__vdso_clock_gettime");
    int (*clock_get64)(int, void *) = look_up("__vdso_clock_gettime64");
    int (*clock_res)(int, void *) = look_up("__vdso_clock_getres");
    int (*get_time_of_day)(void *, void *) = look_up("__vdso_gettimeofday");
    long (*get_time)(void *) = look_up("__vdso_time");
    int (*get_cpu)(unsigned *, unsigned *) = look_up("__vdso_getcpu");
    look_up("__vdso_nothing");

    int ts[2];
    long long ts64[2];
    struct timeval tv;
    unsigned cpu = 4711, node = 4711;
    long now, stored;
    printf("%d", clock_get(CLOCK_REALTIME, ts));
    printf(" %d", clock_get64(CLOCK_REALTIME, ts64));
    int day[2];
    printf(" %d", get_time_of_day(day, 0));
    now = get_time(&stored);
    printf(" %d %d %d\n", now == stored, ts64[0] - ts[0] <= 1, now - day[0] <= 1);
    printf("%d of no clock\n", clock_get(4711, ts));
    printf("%d of no clock, 64 bits\n", clock_get64(4711, ts64));
    int res = clock_res(CLOCK_MONOTONIC, ts);
    printf("%d %d %d\n", res, ts[0], ts[1]);
    res = get_cpu(&cpu, &node);
    printf("getcpu %d node %u\n", res, node);
    printf("a call: %d\n", ({ int r; asm volatile("call *%1" : "=a"(r) : "r"(vsyscall), "0"(SYS_getpid) : "memory"); r == getpid(); }));

    unsigned act[5] = {(unsigned)handler};
    syscall(SYS_rt_sigaction, SIGUSR1, act, 0, 8);
    raise(SIGUSR1);
    act[1] = SA_SIGINFO;
    syscall(SYS_rt_sigaction, SIGUSR2, act, 0, 8);
    raise(SIGUSR2);
    fflush(stdout);
    if (!fork()) {
        raise(SIGUSR1);
        fflush(stdout);
        _exit(0);
    }
    wait(0);
    return 0;
}
