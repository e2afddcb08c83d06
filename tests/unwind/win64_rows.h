/* SPDX-License-Identifier: MIT */
/* What tests/unwind/win64_dump.c writes, on Linux, and win64_check.c reads, on Windows. */
#ifndef TESTS_UNWIND_WIN64_ROWS_H
#define TESTS_UNWIND_WIN64_ROWS_H

#include <stdint.h>

/* An instruction, and who called it by the precise rows. */
struct win64_row {
	uint32_t at; /* offset in code.bin */
	uint8_t cfa_reg;
	uint8_t sayable;      /* 0: in Win64's terms there is no way to say it */
	uint16_t pops_rbp;    /* that is what it does: rsp is where rbp was saved */
	int32_t cfa_off, rbp; /* rbp: saved at CFA + so many; 0: it is not */
};

/* The begin of rows.bin. */
struct win64_head {
	uint32_t rva;  /* of the code in the images */
	uint32_t rows; /* which follow */
};

#endif
