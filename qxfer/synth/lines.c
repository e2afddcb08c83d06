/* SPDX-License-Identifier: MIT */
/* .debug_line, DWARF 4 section 6.2: a program for each file, a sequence for each function. */
#include "qxfer/synth/dwarf_names.h"
#include "qxfer/synth/priv.h"

#define LINE_BASE   (-5)
#define LINE_RANGE  14
#define OPCODE_BASE 13

size_t dwarf_open_lines(struct buf *out, const char *path)
{
	static const uint8_t lengths[OPCODE_BASE - 1] = { 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 };

	size_t start = out->len;
	put_u32(out, 0); /* the length: see dwarf_close_lines() */
	put_u16(out, 4);
	size_t header = out->len;
	put_u32(out, 0);
	put_u8(out, 1); /* bytes of an instruction, at least */
	put_u8(out, 1); /* operations of an instruction, at most */
	put_u8(out, 1); /* each row begins a statement */
	put_u8(out, (uint8_t)LINE_BASE);
	put_u8(out, LINE_RANGE);
	put_u8(out, OPCODE_BASE);
	buf_put(out, lengths, sizeof(lengths));
	put_u8(out, 0); /* no folders: a relative path starts at DW_AT_comp_dir */
	put_text(out, path);
	put_zeros(out, 3); /* folder, time, length */
	put_u8(out, 0);
	set_u32(out, header, out->len - header - 4);
	return start;
}

void dwarf_close_lines(struct buf *out, size_t start)
{
	set_u32(out, start, out->len - start - 4);
}

static void put_extended(struct buf *out, unsigned int op, unsigned int len)
{
	put_u8(out, 0);
	put_uleb(out, len + 1);
	put_u8(out, op);
}

/* One opcode for both steps and the row, if they are small. */
static void put_row(struct buf *out, uint64_t pc_step, int64_t line_step)
{
	if (line_step < LINE_BASE || line_step >= LINE_BASE + LINE_RANGE) {
		put_u8(out, DW_LNS_advance_line);
		put_sleb(out, line_step);
		line_step = 0;
	}
	uint64_t most = (255u - OPCODE_BASE - (uint64_t)(line_step - LINE_BASE)) / LINE_RANGE;
	if (pc_step > most) {
		put_u8(out, DW_LNS_advance_pc);
		put_uleb(out, pc_step);
		pc_step = 0;
	}
	put_u8(out,
	       (unsigned int)(line_step - LINE_BASE + LINE_RANGE * (int64_t)pc_step + OPCODE_BASE));
}

void dwarf_put_lines(struct buf *out, const struct synth_function *f, uint64_t addr)
{
	const struct synth_code *code = &f->code;
	const struct synth_row *body = synth_body(code);
	int64_t line = 1;
	uint32_t at = 0;

	put_extended(out, DW_LNE_set_address, 8);
	put_u64(out, addr);
	for (size_t i = 0; i < code->nrows; i++) {
		const struct synth_row *r = &code->rows[i];
		if (r == body)
			put_u8(out, DW_LNS_set_prologue_end);
		put_row(out, r->start - at, r->line - line);
		at = r->start;
		line = r->line;
	}
	put_u8(out, DW_LNS_advance_pc);
	put_uleb(out, synth_text_len(code) - at);
	put_extended(out, DW_LNE_end_sequence, 0);
}
