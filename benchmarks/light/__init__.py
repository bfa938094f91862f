"""What the whole daemon costs while it soaks: percent of one core and resident memory, against psrecord."""
