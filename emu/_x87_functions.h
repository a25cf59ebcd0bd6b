static enum x87_outcome function_insn(struct x87 *x) { (void)x; return XO_ENGINE; }
