"""Groups of commands of `ecommerce-platform`, one module a room. They parse, call the room, and print; they hold no logic."""
