"""What people look at: one module for each page or closely knit group of pages."""
