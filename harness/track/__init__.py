"""Speed, memory and accuracy from commit to commit, by asv. The only room that knows asv; nobody needs it elsewhere."""
