module guard

go 1.22
