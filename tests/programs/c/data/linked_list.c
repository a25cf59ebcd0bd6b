// title: a list is built, turned round and sorted
#include <toykernel.h>
struct node { int value; struct node *next; };
static struct node *push(struct node *head, int value) {
  struct node *n = malloc(sizeof *n);
  n->value = value, n->next = head;
  return n;
}
static struct node *reverse(struct node *head) {
  struct node *out = 0;
  while (head) { struct node *next = head->next; head->next = out; out = head; head = next; }
  return out;
}
static struct node *insert(struct node *sorted, struct node *n) {
  struct node **at = &sorted;
  while (*at && (*at)->value < n->value) at = &(*at)->next;
  n->next = *at, *at = n;
  return sorted;
}
int main(void) {
  struct node *list = 0, *sorted = 0;
  for (unsigned i = 0, x = 7; i < 12; i++, x = x * 1103515245u + 12345u) list = push(list, x >> 24);
  list = reverse(list);
  for (struct node *n = list; n; n = n->next) printf("%d ", n->value);
  while (list) { struct node *n = list; list = list->next; sorted = insert(sorted, n); }
  printf("\n");
  for (struct node *n = sorted; n; n = n->next) printf("%d ", n->value);
  printf("\n");
  return 0;
}
