"""The screens, views and dialogs: one file each."""
