"""Contract suites, faulty stores and fake clocks, shipped so that plugin authors can use them."""
