"""Addresses of messages, of links in invitations, and of the demonstration's mailbox."""

from django.urls import path

from notifications import views

urlpatterns = [
    path("notifications/", views.notifications, name="notifications"),
    path("messages/<int:pk>/bounced/", views.message_bounced, name="message_bounced"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("organisations/<int:pk>/webhooks/", views.webhooks, name="webhooks"),
    path("organisations/<int:pk>/webhooks/new/", views.webhook_new, name="webhook_new"),
    path("webhooks/<int:pk>/", views.webhook, name="webhook"),
    path("webhooks/<int:pk>/rotate/", views.webhook_rotate, name="webhook_rotate"),
    path("webhooks/<int:pk>/disable/", views.webhook_disable, name="webhook_disable"),
    path("webhooks/<int:pk>/enable/", views.webhook_enable, name="webhook_enable"),
    path("deliveries/<int:pk>/again/", views.delivery_again, name="delivery_again"),
    path("demo/mail/", views.demo_mail, name="demo_mail"),
    path("demo/mail/<int:pk>/", views.demo_message, name="demo_message"),
    path("demo/invitations/<int:pk>/", views.demo_invitation, name="demo_invitation"),
]
