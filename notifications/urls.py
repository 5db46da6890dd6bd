"""Addresses of messages, of links in invitations, and of the demonstration's mailbox."""

from django.urls import path

from notifications import views

urlpatterns = [
    path("notifications/", views.notifications, name="notifications"),
    path("messages/<int:pk>/bounced/", views.message_bounced, name="message_bounced"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("demo/mail/", views.demo_mail, name="demo_mail"),
    path("demo/mail/<int:pk>/", views.demo_message, name="demo_message"),
    path("demo/invitations/<int:pk>/", views.demo_invitation, name="demo_invitation"),
]
