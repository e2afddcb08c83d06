/* SPDX-License-Identifier: MIT */
/* Against the layouts that the compiler has for siginfo_t, and compat_siginfo's offsets. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "arch/x86_siginfo.h"

static uint8_t narrow[X86_SIGINFO_SIZE];

static uint32_t word(size_t at)
{
	uint32_t v;
	memcpy(&v, narrow + at, sizeof(v));
	return v;
}

/* There and back again; ends with the narrow form in `narrow'. */
static void convert(const siginfo_t *info)
{
	siginfo_t back;

	cr_assert_eq(sizeof(*info), X86_SIGINFO_SIZE);
	x86_siginfo_narrow((const uint8_t *)info, narrow);
	x86_siginfo_widen(narrow, (uint8_t *)&back);
	cr_assert_eq(memcmp(info, &back, sizeof(back)), 0);
	cr_assert_eq(word(0), (uint32_t)info->si_signo);
	cr_assert_eq(word(8), (uint32_t)info->si_code);
}

Test(x86_siginfo, of_a_fault_has_its_address)
{
	siginfo_t info = { .si_signo = SIGSEGV, .si_code = SEGV_ACCERR };
	info.si_addr = (void *)0xf7ffe010;
	convert(&info);
	cr_assert_eq(word(12), 0xf7ffe010);
}

Test(x86_siginfo, of_a_signal_that_was_sent_has_its_sender)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_TKILL };
	info.si_pid = 4711;
	info.si_uid = 0xfffffffe;
	convert(&info);
	cr_assert_eq(word(12), 4711);
	cr_assert_eq(word(16), 0xfffffffe);
	info.si_code = SI_USER;
	convert(&info);
	cr_assert_eq(word(12), 4711);
	/* What a fault's signal says counts only if the kernel has made it. */
	info.si_signo = SIGSEGV;
	convert(&info);
	cr_assert_eq(word(16), 0xfffffffe);
}

Test(x86_siginfo, of_a_queued_signal_has_its_value)
{
	siginfo_t info = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE };
	info.si_pid = 4711;
	info.si_value.sival_ptr = (void *)0x89abcdef;
	convert(&info);
	cr_assert_eq(word(20), 0x89abcdef);
}

Test(x86_siginfo, of_a_timer_has_its_overruns)
{
	siginfo_t info = { .si_signo = SIGALRM, .si_code = SI_TIMER };
	info.si_timerid = 3;
	info.si_overrun = 7;
	convert(&info);
	cr_assert_eq(word(12), 3);
	cr_assert_eq(word(16), 7);
}

Test(x86_siginfo, of_a_child_has_its_status_and_times)
{
	siginfo_t info = { .si_signo = SIGCHLD, .si_code = CLD_EXITED };
	info.si_pid = 4711;
	info.si_status = -1;
	info.si_utime = 1000;
	info.si_stime = 2000;
	convert(&info);
	cr_assert_eq(word(20), 0xffffffff);
	cr_assert_eq(word(24), 1000);
	cr_assert_eq(word(28), 2000);
}

Test(x86_siginfo, of_a_file_has_its_band_and_of_a_filter_its_call)
{
	siginfo_t info = { .si_signo = SIGPOLL, .si_code = POLL_IN };
	info.si_band = -5;
	info.si_fd = 9;
	convert(&info);
	cr_assert_eq(word(12), 0xfffffffb);
	cr_assert_eq(word(16), 9);
	info = (siginfo_t){ .si_signo = SIGSYS, .si_code = 1 };
	info.si_call_addr = (void *)0x8049000;
	info.si_syscall = 120;
	info.si_arch = 0x40000003;
	convert(&info);
	cr_assert_eq(word(12), 0x8049000);
	cr_assert_eq(word(16), 120);
	cr_assert_eq(word(20), 0x40000003);
}
