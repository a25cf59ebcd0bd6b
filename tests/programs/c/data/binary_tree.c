// title: a binary tree is filled, measured and walked
#include <toykernel.h>
struct tree { int key; struct tree *left, *right; };
static void insert(struct tree **t, int key) {
  while (*t) t = key < (*t)->key ? &(*t)->left : &(*t)->right;
  *t = calloc(1, sizeof **t);
  (*t)->key = key;
}
static int depth(const struct tree *t) {
  if (!t) return 0;
  int l = depth(t->left), r = depth(t->right);
  return 1 + (l > r ? l : r);
}
static void walk(const struct tree *t) { if (t) walk(t->left), printf("%d ", t->key), walk(t->right); }
int main(void) {
  struct tree *root = 0;
  for (int i = 0; i < 20; i++) insert(&root, i * 37 % 101);
  walk(root);
  printf("\n");
  return depth(root);
}
